import pg from "pg";
import { withClient } from "../bench-database.ts";
import { median } from "../median.ts";
import type { Bench } from "../part.ts";
import { atLeast, atMost, type Section } from "../report.ts";
import { startListener } from "../start-listener.ts";
import { startProvider } from "../start-provider.ts";
import { noteOf } from "../texts.ts";

const COMMITTERS = 8;

/** What a watched table costs its users, compared with the same table without triggers. An idle listener is running. */
export async function writes({ server, quick, progress }: Bench): Promise<Section[]> {
  const template = await server.template("writes", 8, 0, prepare);
  const turns = quick ? 1 : 6;
  const scale = quick ? 0.1 : 1;
  const times = new Map<string, { watched: number[]; bare: number[] }>();
  const provider = await startProvider({ dimensions: 8, latencyMs: 150 });
  const rates = {
    bare: [] as number[],
    silent: [] as number[],
    flag: [] as number[],
    always: [] as number[],
  };
  for (let turn = 0; turn < turns; turn++) {
    progress(`turn ${turn + 1}`);
    const database = await server.fresh(template);
    const url = server.urlOf(database);
    await withClient(url, async (client) => {
      for (const [name, run] of Object.entries(workloads(scale))) {
        const both = times.get(name) ?? { watched: [], bare: [] };
        times.set(name, both);
        // The order alternates: the second finds files and pages warm.
        const tables = turn % 2 === 0 ? (["watched", "bare"] as const) : (["bare", "watched"] as const);
        for (const table of tables) {
          const started = performance.now();
          await run(client, table);
          both[table].push(performance.now() - started);
        }
      }
      rates.bare.push(await commitRate(url, "bare", quick));
      await client.query("delete from autoembed.embedding_listener");
      // Polling at the shortest interval, the listener does the same work without notifications, so it uses the same CPU.
      const listener = await startListener(url, provider.url, { EMBED_POLL_MS: "100" });
      // Here, too, the first turn finds the table cold.
      const order = ["flag", "silent", "always"] as const;
      for (const kind of turn % 2 === 0 ? order : order.toReversed()) {
        await client.query(NOTIFYING[kind]);
        rates[kind].push(await commitRate(url, "watched", quick));
      }
      await listener.stop();
    });
    await server.drop(database);
  }
  provider.close();
  await server.drop(template);
  const ratio = (name: string): number =>
    median(times.get(name)?.watched ?? []) / median(times.get(name)?.bare ?? []);
  const line = (name: string, turns: readonly number[]): (string | number)[] => [
    name,
    median(turns),
    `${(median(turns) / median(rates.silent)).toFixed(2)}x`,
  ];
  return [
    {
      title: "The user's own writes: watched against the same table without triggers",
      columns: ["", "watched ms", "bare ms", "ratio"],
      rows: [...times].map(([name, { watched, bare }]) => [
        name,
        median(watched),
        median(bare),
        `${ratio(name).toFixed(2)}x`,
      ]),
      bars: [
        atMost("20,000 rows in one insert, at most 3.5x", ratio("20,000 rows in one insert"), 3.5, "x"),
        atMost("inserts of 200 rows, at most 2x", ratio("inserts of 200 rows"), 2, "x"),
        atMost("inserts of one row, at most 1.3x", ratio("inserts of one row"), 1.3, "x"),
        atMost("an update of another column, at most 1.1x", ratio("update of another column"), 1.1, "x"),
        atMost("an update to the same text, at most 1.1x", ratio("update to the same text"), 1.1, "x"),
      ],
    },
    {
      title: `${COMMITTERS} connections that insert and commit single rows`,
      columns: ["", "commits/s", "vs without NOTIFY"],
      rows: [
        line("no trigger, no listener", rates.bare),
        line("never a NOTIFY: the listener polls", rates.silent),
        line("as usual: NOTIFY while the listener is idle", rates.flag),
        line("a NOTIFY in every commit", rates.always),
      ],
      bars: [
        atLeast(
          "at least 90 % of the rate without NOTIFY",
          (100 * median(rates.flag)) / median(rates.silent),
          90,
          " %",
        ),
      ],
    },
  ];
}

async function prepare(client: pg.Client): Promise<void> {
  await client.query("set session_replication_role = default");
  for (const table of ["watched", "bare"]) {
    await client.query(
      `create table ${table} (id bigint generated always as identity primary key, note text, other integer, embedding vector(8)) with (fillfactor = 70)`,
    );
  }
  await client.query(NOTIFYING.flag);
  await client.query(
    "insert into autoembed.embedding_listener (host, pid, version, idle) values ('bench', 1, '0', true)",
  );
  await client.query("create table notes (n integer primary key, note text)");
  const numbers = Array.from({ length: 20_000 }, (_, i) => i);
  await client.query("insert into notes select * from unnest($1::int[], $2::text[])", [
    numbers,
    numbers.map(noteOf),
  ]);
  await client.query("vacuum analyze notes");
}

/** Changes the trigger functions so that they NOTIFY always or never. */
function changeNotify(always: "true" | "false"): string {
  return String.raw`do $do$
    declare definition text;
    begin
      for definition in
        select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'autoembed' and p.proname ~ '^source_[0-9]+_(insert|row)$'
      loop
        execute regexp_replace(definition, $re$(perform pg_notify\('autoembed', [^)]*\))[^;]*;$re$, $to$\1 where ${always};$to$, 'g');
      end loop;
    end $do$`;
}

/** Settings under which the triggers NOTIFY as usual, never, or always while a listener is idle. */
const NOTIFYING = {
  flag: "select autoembed.watch('public.watched', 'note')",
  silent: changeNotify("false"),
  always: changeNotify("true"),
};

type Run = (client: pg.Client, table: string) => Promise<unknown>;

function workloads(scale: number): Readonly<Record<string, Run>> {
  const repeat = async (times: number, step: (i: number) => Promise<unknown>): Promise<void> => {
    for (let i = 0; i < times * scale; i++) await step(i);
  };
  return {
    "20,000 rows in one insert": (client, table) =>
      client.query(`insert into ${table} (note) select note from notes where n < ${20_000 * scale}`),
    "inserts of 200 rows": (client, table) =>
      repeat(50, (i) =>
        client.query(`insert into ${table} (note) select note from notes where n between $1 and $1 + 199`, [
          i * 200,
        ]),
      ),
    "inserts of one row": (client, table) =>
      repeat(300, (i) => client.query(`insert into ${table} (note) values ($1)`, [noteOf(i)])),
    "update of another column": (client, table) => client.query(`update ${table} set other = 1`),
    "update to the same text": (client, table) => client.query(`update ${table} set note = note, other = 2`),
    "update of the text, one by one": (client, table) =>
      repeat(300, (i) =>
        client.query(`update ${table} set note = $1 where id = $2`, [noteOf(30_000 + i), i + 1]),
      ),
  };
}

/** Commits per second of several connections, each inserting one row at a time. */
async function commitRate(url: string, table: string, quick: boolean): Promise<number> {
  const pool = new pg.Pool({ connectionString: url, max: COMMITTERS });
  const clients = await Promise.all(Array.from({ length: COMMITTERS }, () => pool.connect()));
  const started = performance.now();
  const until = started + (quick ? 300 : 1_500);
  let commits = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < until) {
        await client.query(`insert into ${table} (note) values ('a short note')`);
        commits++;
      }
      client.release();
    }),
  );
  const rate = (1000 * commits) / (performance.now() - started);
  await pool.end();
  return rate;
}
