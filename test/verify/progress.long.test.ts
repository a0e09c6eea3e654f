import { describe, expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare } from "../support/listening.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import { HAS_TERMINAL, openTerminal } from "../support/terminal.ts";

async function prepareEmbeddedRows() {
  const on = await prepare();
  const listener = await on.listen();
  await on.client.query("insert into patient_embeddings select n, 'text ' || n from generate_series(1, 5) n");
  await listener.whenDrained();
  return on;
}

test("`verify` writes no progress where stderr is not a terminal", async () => {
  const { environment } = await prepareEmbeddedRows();
  const verify = runCommand(["verify"], environment);
  expect(await verify.exited).toBe(0);
  expect(verify.stderr()).toBe("");
});

const name = "Verify on a terminal";
(HAS_TERMINAL ? describe : describe.skip)(
  HAS_TERMINAL ? name : skippedTitle(name, "needs a pseudo-terminal", "install util-linux on Linux"),
  () => {
    test("`verify` shows how many rows are compared, and removes that line before its report", async () => {
      const { environment } = await prepareEmbeddedRows();
      const verify = openTerminal(`"${process.execPath}" dist/cli.js verify`, environment);
      expect(await verify.exited).toBe(0);
      expect(verify.screen()).toContain(
        "patient_embeddings: 5/5 rows compared\r\u001b[Kpatient_embeddings: unchanged.",
      );
    });
  },
);
