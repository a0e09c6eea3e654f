import { readFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import pg from "pg";
import { onTestFinished } from "vitest";

/** Creates a role that is dropped when the test ends. @returns the database's URL for it */
export async function role(client: pg.Client, url: string, kind: string): Promise<string> {
  const name = `${kind}_${randomBytes(4).toString("hex")}`;
  await client.query(`create role ${name} login`);
  onTestFinished(async () => {
    await client.query(`drop owned by ${name} cascade; drop role ${name}`);
  });
  const changed = new URL(url);
  changed.username = name;
  return changed.href;
}

export function nameIn(url: string): string {
  return new URL(url).username;
}

/** What docs/grants.sql gives. */
export async function grant(client: pg.Client, listener: string): Promise<void> {
  const script = await readFile(new URL("../../docs/grants.sql", import.meta.url), "utf8");
  await client.query(script.replaceAll(':"listener"', listener).replaceAll(":'listener'", `'${listener}'`));
}

export async function session(url: string): Promise<pg.Client> {
  const opened = new pg.Client(url);
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}

/** Until the test ends, pgvector is in a schema that no other role may use, as on Supabase. */
export async function moveVector(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ schema: string }>("select autoembed.vector_schema() as schema");
  onTestFinished(async () => {
    await client.query(`alter extension vector set schema ${rows[0]?.schema ?? ""}; drop schema extensions`);
  });
  await client.query("create schema extensions; alter extension vector set schema extensions");
}
