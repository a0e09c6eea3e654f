import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { examineDatabase, judgeDatabase, type DatabaseFacts } from "../../src/doctor/examine-database.ts";
import { migrate } from "../../src/migrate.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";

const SOUND: DatabaseFacts = {
  encoding: "UTF8",
  read_only: false,
  open_schemas: [],
  notifications: 0,
  idle_session_ms: 0,
};

const levels = (facts: Partial<DatabaseFacts>) =>
  judgeDatabase({ ...SOUND, ...facts }).map(({ level }) => level);

async function findings(url: string) {
  const db = connect({ databaseUrl: url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  return await examineDatabase(db);
}

test("A sound database gets no warning", async () => {
  expect(levels({})).toEqual(["ok"]);
  const { database } = await prepare();
  expect((await findings(database.url)).filter(({ level }) => level !== "ok")).toEqual([]);
});

test("A database that takes no writes is a problem, and so is the encoding SQL_ASCII", () => {
  expect(levels({ read_only: true })).toEqual(["ok", "problem"]);
  expect(levels({ encoding: "SQL_ASCII" })).toEqual(["problem"]);
});

test("A queue of notifications that is filling up is a warning", () => {
  expect(levels({ notifications: 0.6 })).toEqual(["ok", "warning"]);
});

test("A server that ends idle sessions, as the listener's LISTEN is, is a warning with a remedy", () => {
  const [, found] = judgeDatabase({ ...SOUND, idle_session_ms: 60_000 });
  expect(found?.level).toBe("warning");
  expect(found?.what).toContain("idle for 1 min 0 s (idle_session_timeout)");
  expect(found?.remedy).toContain("set idle_session_timeout = 0");
});

test("A schema in which every role may create objects is a warning, and its remedy ends it", async () => {
  const { client, database } = await prepare();
  await client.query(
    `create schema if not exists "Open to all"; grant create on schema public, "Open to all" to public`,
  );
  onTestFinished(async () => {
    await client.query(`revoke create on schema public from public; drop schema "Open to all"`);
  });
  const warned = async () => (await findings(database.url)).filter(({ level }) => level === "warning");
  const found = await warned();
  expect(found.map(({ what }) => / schema (.*?):/.exec(what)?.[1])).toEqual(["Open to all", "public"]);
  for (const { remedy } of found) await client.query(remedy?.replace(/^.*?: /, "") ?? "");
  expect(await warned()).toEqual([]);
});

describeNative("A database with another encoding than UTF8", "needs a database of its own", () => {
  test("A database with the encoding SQL_ASCII is refused by migrate, and nothing is made in it", async () => {
    const database = await openUnmigratedDatabase();
    onTestFinished(() => database.close());
    const url = new URL(database.url);
    const name = `${url.pathname.slice(1)}_ascii`;
    const admin = new pg.Client(database.url);
    await admin.connect();
    onTestFinished(() => admin.end());
    await admin.query(
      `create database ${name} encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0`,
    );
    onTestFinished(async () => {
      await admin.query(`drop database ${name} with (force)`);
    });
    url.pathname = `/${name}`;
    await expect(migrate({ databaseUrl: url.href, dimensions: 8 })).rejects.toMatchObject({
      message: expect.stringContaining("SQL_ASCII") as string,
    });
    const found = await findings(url.href);
    expect(found[0]).toMatchObject({
      level: "problem",
      what: expect.stringContaining("SQL_ASCII") as string,
    });
  });
});
