import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineFunctions } from "../../src/doctor/examine-functions.ts";
import { openTestDatabase } from "../support/database.ts";

test("`doctor` finds functions of the schema that were dropped, replaced or given other settings", async () => {
  const database = await openTestDatabase({ dimensions: 8 });
  onTestFinished(() => database.close());
  const db = connect({ databaseUrl: database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const found = async () => (await examineFunctions(db)).map(({ what, remedy }) => [what, remedy]);
  expect(await found()).toEqual([]);
  await sql`drop function autoembed.is_watched`.execute(db);
  await sql`alter function autoembed.change_key reset search_path`.execute(db);
  await sql`create or replace function autoembed.move_ledger(source_id integer, old_key text, new_key text) returns void
    language sql strict set search_path = pg_catalog, pg_temp as 'select null::void'`.execute(db);
  expect(await found()).toEqual([
    [
      "Functions of the schema autoembed are missing, or are not this version's: change_key, is_watched, move_ledger.",
      expect.stringContaining("migrate"),
    ],
  ]);
  await sql`update autoembed.migration set version = '99.0.0' where filename = 'functions'`.execute(db);
  expect(await found()).toEqual([]);
});
