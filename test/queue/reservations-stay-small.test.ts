import { createHash } from "node:crypto";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/database/connect.ts";
import { overPool } from "../../src/database/over-pool.ts";
import { Reservations } from "../../src/queue/reservations.ts";
import { vacuumReservations } from "../../src/queue/vacuum-reservations.ts";
import { describeNative } from "../support/database.ts";
import { prepare } from "../support/listening.ts";
import { grant, nameIn, role } from "../support/roles.ts";

const MODEL = "model";
const TEXTS = 10_000;
const ROUNDS = 6;
/** In megabytes. The rows of all rounds would take 14 with their index; those of one take 3. */
const MOST = 7;

describeNative("The table of reservations", "needs the server's statistics and roles of its own", () => {
  test("stays small while a backfill makes and drops them, without autovacuum", async () => {
    const { client, database } = await prepare();
    const before = await vacuums(client);
    for (let round = 1; round <= ROUNDS; round++) {
      await reserveAndDrop(client, database.url, round);
      await expect.poll(() => vacuums(client)).toBe(before + round);
    }

    expect(await megabytes(client)).toBeLessThan(MOST);
  });

  test("is left to autovacuum by a role that may not vacuum it, without a warning", async () => {
    const { client, database } = await prepare();
    const url = await role(client, database.url, "listener");
    await grant(client, nameIn(url));
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    const notices: unknown[] = [];
    pool.on("connect", (session) => session.on("notice", (notice) => notices.push(notice.message)));
    onTestFinished(() => pool.end());
    await vacuumReservations(overPool(pool));

    expect(notices).toEqual([]);
    await reserveAndDrop(client, url, 1);
  });
});

/** As the claims and the writes of a backfill do. */
async function reserveAndDrop(client: pg.Client, url: string, round: number): Promise<void> {
  const db = connect({ databaseUrl: url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const reservations = new Reservations(db, MODEL);
  const rows = Array.from({ length: TEXTS }, (_, i) => ({
    ticket: String(round * TEXTS + i),
    state: "new",
    text_hash: createHash("sha256").update(`${round} ${i}`).digest("hex"),
  }));
  await client.query("alter table autoembed.embedding_reservation set (autovacuum_enabled = false)");
  await client.query(
    `insert into autoembed.embedding_reservation (text_hash, cache_model, ticket, owner)
      select decode(hash, 'hex'), $1, ticket, 0 from unnest($2::text[], $3::bigint[]) as r(hash, ticket)`,
    [MODEL, rows.map(({ text_hash }) => text_hash), rows.map(({ ticket }) => ticket)],
  );
  reservations.add(rows);
  reservations.end(rows.map(({ ticket }) => ticket));
  await expect
    .poll(async () => (await client.query("select from autoembed.embedding_reservation")).rowCount)
    .toBe(0);
}

async function vacuums(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ vacuums: number }>(
    "select vacuum_count::int as vacuums from pg_stat_user_tables where relid = 'autoembed.embedding_reservation'::regclass",
  );
  return rows[0]?.vacuums ?? Number.NaN;
}

async function megabytes(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ megabytes: number }>(
    "select pg_total_relation_size('autoembed.embedding_reservation') / 1048576.0::float8 as megabytes",
  );
  return rows[0]?.megabytes ?? Number.NaN;
}
