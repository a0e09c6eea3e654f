import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { examineListening } from "../../src/doctor/examine-listening.ts";
import { openMigrated } from "../support/migrated.ts";

test("Where no further connection can be opened, `doctor` says why, and blames no pooler", async () => {
  const { db } = await openMigrated();
  const DATABASE_URL = "postgres://u@127.0.0.1:1/d";
  const [arrival] = await examineListening(db, { ...readConfig({ DATABASE_URL }), DATABASE_URL });
  expect(arrival).toMatchObject({
    level: "problem",
    what: "Cannot use the database of DATABASE_URL: connect ECONNREFUSED 127.0.0.1:1.",
    remedy: expect.stringMatching(/^Check host, port/) as unknown,
  });
});
