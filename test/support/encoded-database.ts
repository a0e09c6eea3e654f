import { onTestFinished } from "vitest";
import pg from "pg";
import { migrate } from "../../src/migrate.ts";
import { openUnmigratedDatabase } from "./unmigrated-database.ts";

/** A migrated database with another encoding than UTF8, and a client of it; native only. Dropped when the test ends. */
export async function openEncoded(
  encoding: string,
  dimensions: number,
): Promise<{ client: pg.Client; url: string }> {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  const url = new URL(database.url);
  const name = `${url.pathname.slice(1)}_${encoding.toLowerCase()}`;
  const admin = new pg.Client(database.url);
  await admin.connect();
  onTestFinished(() => admin.end());
  await admin.query(
    `create database ${name} encoding '${encoding}' lc_collate 'C' lc_ctype 'C' template template0`,
  );
  onTestFinished(async () => {
    await admin.query(`drop database ${name} with (force)`);
  });
  url.pathname = `/${name}`;
  await migrate({ databaseUrl: url.href, dimensions });
  const client = new pg.Client(url.href);
  await client.connect();
  onTestFinished(() => client.end());
  return { client, url: url.href };
}
