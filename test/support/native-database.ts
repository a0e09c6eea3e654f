import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { inject } from "vitest";
import { migrate } from "../../src/migrate.ts";
import type { TestDatabase } from "./database.ts";

/** Postgres's code while a session is still connected: a pool's connections linger for a moment after its end. */
const OBJECT_IN_USE = "55006";
const WAIT_MS = 10_000;

/** @param server a connection string whose user may create databases */
export async function openNativeDatabase(server: string, dimensions: number): Promise<TestDatabase> {
  const template = await onServer(server, (admin) =>
    ensureTemplate(admin, server, inject("runName"), dimensions),
  );
  const name = `${inject("runName")}_${randomBytes(4).toString("hex")}`;
  await onServer(server, (admin) => whenUnused(admin, `create database ${name} template ${template}`));
  return {
    url: databaseUrl(server, name),
    engine: "native",
    close: () => onServer(server, (admin) => whenUnused(admin, `drop database if exists ${name}`)),
  };
}

/** A new, empty database; dropped by `close`. */
export async function openEmptyDatabase(server: string): Promise<Omit<TestDatabase, "engine">> {
  const name = `${inject("runName")}_empty_${randomBytes(4).toString("hex")}`;
  await onServer(server, (admin) => admin.query(`create database ${name}`));
  return {
    url: databaseUrl(server, name),
    close: () => onServer(server, (admin) => whenUnused(admin, `drop database if exists ${name}`)),
  };
}

/** Drops all databases of a run: templates and those of tests that died. */
export async function dropDatabasesOf(server: string, runName: string): Promise<void> {
  await onServer(server, async (admin) => {
    const { rows } = await admin.query<{ datname: string }>(
      `select datname from pg_database where starts_with(datname, $1)`,
      [`${runName}_`],
    );
    for (const { datname } of rows) await admin.query(`drop database if exists ${datname} with (force)`);
  });
}

async function ensureTemplate(
  admin: pg.Client,
  server: string,
  runName: string,
  dimensions: number,
): Promise<string> {
  const template = `${runName}_template_${dimensions}`;
  // Test files run in several processes. One of them makes the template, under a name that no other process copies yet.
  await admin.query("select pg_advisory_lock(hashtext($1))", [template]);
  const { rowCount } = await admin.query("select from pg_database where datname = $1", [template]);
  if (rowCount === 0) {
    const making = `${template}_making`;
    await whenUnused(admin, `drop database if exists ${making}`);
    await admin.query(`create database ${making}`);
    await migrate({ databaseUrl: databaseUrl(server, making), dimensions });
    await whenUnused(admin, `alter database ${making} rename to ${template}`);
  }
  await admin.query("select pg_advisory_unlock(hashtext($1))", [template]);
  return template;
}

async function whenUnused(admin: pg.Client, statement: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    try {
      await admin.query(statement);
      return;
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== OBJECT_IN_USE || Date.now() > deadline)
        throw error;
      await delay(50);
    }
  }
}

async function onServer<T>(server: string, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client(server);
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}
