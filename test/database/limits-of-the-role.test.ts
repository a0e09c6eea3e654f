import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { unhurried } from "../../src/timing/unhurried.ts";
import { lockedTransaction } from "../../src/migrate/locked-transaction.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";

const LIMITS = ["statement_timeout", "idle_in_transaction_session_timeout"];

/** A role whose sessions end after a minute of whatever they do, and the address of the database for it. */
async function prepareHurriedRole(): Promise<string> {
  const { client, database } = await prepare();
  const role = `hurried_${process.pid}`;
  await client.query(`create role ${role} login`);
  onTestFinished(async () => {
    const admin = new pg.Client(database.url);
    await admin.connect();
    await admin.query(`drop role ${role}`);
    await admin.end();
  });
  for (const limit of LIMITS) await client.query(`alter role ${role} set ${limit} = '1min'`);
  const url = new URL(database.url);
  url.username = role;
  return url.href;
}

describeNative("A role whose statements have a time limit", "needs several sessions", () => {
  test("has sessions of ours that begin without it, and have our own from then on", async () => {
    const db = connect({ databaseUrl: await prepareHurriedRole(), maxConnections: 1, ownSessions: true });
    onTestFinished(() => db.destroy());
    const { rows } = await sql<{ begun: string; now: string; idle: string }>`
      select reset_val as begun, current_setting('statement_timeout') as now,
        current_setting('idle_in_transaction_session_timeout') as idle
      from pg_settings where name = 'statement_timeout'`.execute(db);
    expect(rows).toEqual([{ begun: "0", now: "31s", idle: "0" }]);
  });

  test("is looked at and migrated without it, and keeps it for what follows in the session", async () => {
    const client = new pg.Client(await prepareHurriedRole());
    await client.connect();
    onTestFinished(() => client.end());
    const limitOf = async (name: string) =>
      (await client.query<{ limit: string }>("select current_setting($1) as limit", [name])).rows[0]?.limit;
    expect(await unhurried(client, () => limitOf("statement_timeout"))).toBe("0");
    for (const name of LIMITS) {
      expect(await lockedTransaction(client, () => limitOf(name)), name).toBe("0");
      expect(await limitOf(name)).toBe("1min");
    }
  });
});
