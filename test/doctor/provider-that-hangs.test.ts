import { expect, test } from "vitest";
import { examineSource } from "../../src/doctor/examine-source.ts";
import { prepareVectorTable } from "../support/vector-table.ts";

test("A provider that does not answer is one finding of `doctor` among the others", async () => {
  const { db, config, source, provider } = await prepareVectorTable();
  provider.always("hang");
  const findings = await examineSource(db, { ...config, EMBEDDING_TIMEOUT: 3000 }, await source());
  expect(findings.filter(({ level }) => level !== "ok")).toEqual([
    expect.objectContaining({
      level: "problem",
      what: `docs: ${provider.openAiUrl}/embeddings gave no whole answer within 3000 ms (EMBEDDING_TIMEOUT). Run the command again in a moment.`,
    }),
  ]);
  expect(findings.length).toBeGreaterThan(5);
});
