import { expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { prepare, wrongRows } from "../support/listening.ts";

test("The demo shows and changes its own patients alone, and removes them at the end", async () => {
  const { client, environment } = await prepare();
  // Enough rows that one would by chance be among the nearest or the last of those that the demo ranks.
  await client.query(
    "insert into patient_embeddings select n, 'xylophonic ' || n from generate_series(1, 500) n",
  );
  const demo = runCommand(["demo"], environment);
  expect({ code: await demo.exited, stderr: demo.stderr() }).toEqual({ code: 0, stderr: "" });

  expect(demo.stdout()).toMatch(/is number 240 of 240[^]*ms later it is number \d+/);
  expect(demo.stdout()).not.toContain("xylophonic");
  const { rows } = await client.query(
    "select count(*)::int as all, (count(*) filter (where context_text = 'xylophonic ' || patient_id))::int as same from patient_embeddings",
  );
  expect(rows).toEqual([{ all: 500, same: 500 }]);
  expect(await wrongRows(client)).toEqual([]);
});
