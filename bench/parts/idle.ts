import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atMost, type Section } from "../report.ts";
import { startListener } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";

const TABLES = [1, 1_000];
const TURNS = 20;
/** A session of Postgres that rests reports what it has committed ten seconds later; and the last drains end after the last vector. */
const REPORTED_MS = 25_000;

interface Idle {
  readonly statements: number;
  readonly freshMs: number;
  /** Undefined where the server is on another machine. */
  readonly megabytes: number | undefined;
}

/** What a listener asks the database while nothing changes, and what its sessions hold, by the number of watched tables. */
export async function idle({ server, quick, progress }: Bench): Promise<Section[]> {
  const provider = await startProvider({ dimensions: 8, latencyMs: 0 });
  const measured: { tables: number; idle: Idle }[] = [];
  try {
    for (const tables of quick ? [1, 100] : TABLES) {
      progress(`${tables} watched tables`);
      const database = await server.template(`idle_${tables}`, 8, 0);
      measured.push({ tables, idle: await measure(server.urlOf(database), provider.url, tables, quick) });
      await server.drop(database);
    }
  } finally {
    provider.close();
  }
  const many = measured.at(-1);
  if (many === undefined) return [];
  const of = `with ${many.tables.toLocaleString("en")} watched tables`;
  return [
    {
      title: "Idle",
      columns: ["watched tables", "statements/s", "a lone change current, ms", "largest session, MB"],
      rows: measured.map(({ tables, idle: { statements, freshMs, megabytes } }) => [
        tables.toLocaleString("en"),
        statements,
        freshMs,
        megabytes,
      ]),
      bars: [
        atMost(`at most 20 statements/s ${of}`, many.idle.statements, 20),
        atMost(`a lone change within 50 ms ${of}`, many.idle.freshMs, 50, " ms"),
        ...(many.idle.megabytes === undefined
          ? []
          : [atMost(`at most 100 MB a session ${of}`, many.idle.megabytes, 100, " MB")]),
      ],
    },
  ];
}

async function measure(url: string, providerUrl: string, tables: number, quick: boolean): Promise<Idle> {
  return await withClient(url, async (client) => {
    await client.query("select autoembed.unwatch('patient_embeddings')");
    for (let i = 1; i <= tables; i++) {
      await client.query(`create table idle_${i} (id int primary key, body text, embedding vector(8))`);
      await client.query("select autoembed.watch($1::regclass, 'body')", [`idle_${i}`]);
    }
    const listener = await startListener(url, providerUrl);
    try {
      // Each table once, so that every session has met what it will meet.
      for (let i = 1; i <= tables; i++)
        await client.query(`insert into idle_${i} values (0, 'first of ${i}')`);
      for (let i = 1; i <= tables; i++) await untilEmbedded(client, `idle_${i}`, 0);
      await delay(REPORTED_MS);
      const seconds = quick ? 10 : 30;
      const before = await commits(client);
      await delay(seconds * 1_000);
      // That of counting is not the listener's.
      const statements = ((await commits(client)) - before - 1) / seconds;
      const times: number[] = [];
      for (let turn = 1; turn <= TURNS; turn++) {
        const table = `idle_${1 + ((turn * 37) % tables)}`;
        const started = performance.now();
        await client.query(`insert into ${table} values ($1, $2)`, [turn, `change ${turn}`]);
        await untilEmbedded(client, table, turn);
        times.push(performance.now() - started);
        await delay(300);
      }
      return { statements, freshMs: median(times), megabytes: await largestSession(client) };
    } finally {
      await listener.stop();
    }
  });
}

async function untilEmbedded(client: pg.Client, table: string, id: number): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(`select from ${table} where id = $1 and embedding is not null`, [
      id,
    ]);
    if (rowCount === 1) return;
    await delay(2);
  }
}

/** Each statement of a listener is a transaction of its own. */
async function commits(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ commits: number }>(
    "select xact_commit::float8 as commits from pg_stat_database where datname = current_database()",
  );
  return rows[0]?.commits ?? Number.NaN;
}

/** Megabytes that are a session's alone, by the kernel of this machine. */
async function largestSession(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and application_name like 'pg-autoembed%'",
  );
  const kilobytes = await Promise.all(
    rows.map(async ({ pid }) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      return status.startsWith("Name:\tpostgres") ? Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) : 0;
    }),
  );
  const largest = Math.max(0, ...kilobytes) / 1_024;
  return largest === 0 ? undefined : largest;
}
