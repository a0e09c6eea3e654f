import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect, type Database } from "../../src/database/connect.ts";
import { copiedShape } from "../../src/model-change/copy-indexes.ts";
import { buildIndex } from "../../src/search/build-index.ts";
import { parseIndexKind } from "../../src/search/index-kind.ts";
import { nearest } from "../../src/search/nearest.ts";
import { loadSearched } from "../../src/search/searched.ts";
import { vectorIndexes } from "../../src/search/vector-index.ts";
import { sql } from "kysely";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { prepare, type Listening } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const LENGTH = 16;
const ROWS = 5_600;

/** Texts have topics, so their vectors lie in clusters; and the first numbers of a Matryoshka model's say the most. */
const VECTORS = `select n, 'note ' || n, array_agg(
    (sin(n % 40 * 7.3 + i * i) + 0.4 * sin(n * 1.7 + i * 3.1)) / sqrt(i) order by i)::vector
  from generate_series(1, ROWS) n, generate_series(1, ${LENGTH}) i group by n`;

describeNative("Kinds of index", "plans and concurrent builds need a native server", () => {
  let on: Listening;
  let client: pg.Client;
  let db: Database;

  async function watched(type: string, rows = ROWS): Promise<void> {
    on = await prepare();
    ({ client } = on);
    await client.query(`
      drop table if exists public.kinds; create table public.kinds (id int primary key, body text, embedding ${type});
      insert into public.kinds ${VECTORS.replace("ROWS", String(rows))};
      select autoembed.watch('public.kinds', 'body', source_name => 'kinds');
      update autoembed.embedding_source set dimensions = ${LENGTH} where name = 'kinds';
      analyze public.kinds`);
    // The planner would rather read all of so small a table.
    await client.query(`do 'begin execute format($$alter database %I set enable_seqscan = off$$, current_database()); end';
      set enable_seqscan = off`);
    db = connect({ databaseUrl: on.database.url, maxConnections: 2, ownSessions: true });
    onTestFinished(() => db.destroy());
  }

  function build(kind: string) {
    return loadSearched(db, "kinds").then(({ source }) =>
      buildIndex(db, source, {
        kind: parseIndexKind(kind),
        database: { DATABASE_URL: on.database.url },
        now: true,
        onProgress: () => undefined,
        signal: new AbortController().signal,
      }),
    );
  }

  /** Keys that TypeScript and SQL find, in their order. */
  async function found(limit: number, where?: string): Promise<{ ts: string[]; fromSql: string[] }> {
    const searched = await loadSearched(db, "kinds");
    const { rows: asked } = await client.query<{ vector: string }>(
      "select (embedding::vector(16))::text as vector from public.kinds where id = 17",
    );
    const vector = asked[0]?.vector ?? "";
    const condition = where === undefined ? undefined : () => sql<boolean>`(${sql.raw(where)})`;
    const near = await nearest(db, searched, vector, { limit, condition });
    const { rows } = await client.query<{ key: string }>(
      "select key from autoembed.search('kinds', $1::vector, $2, $3)",
      [vector, limit, where ?? null],
    );
    return { ts: near.map(({ key }) => key), fromSql: rows.map(({ key }) => key) };
  }

  async function scans(index: string): Promise<number> {
    const { rows } = await client.query<{ scans: number }>(
      "select pg_stat_get_numscans($1::regclass)::int as scans, pg_stat_clear_snapshot()",
      [index],
    );
    return rows[0]?.scans ?? 0;
  }

  test.each([
    ["vector(16)", ["full", "half", "prefix:8", "binary"]],
    ["halfvec", ["prefix:8", "binary"]],
  ])("Searches of a %s put the candidates of each kind of index in exact order", async (type, kinds) => {
    await watched(type);
    // Most rows, few, one, and many that are all of other topics than the question's.
    const ways = [
      undefined,
      "id > 400",
      "id % 100 = 1",
      "id = 18",
      "id % 40 between 20 and 39",
      "id in (select 1 + 7 * n from generate_series(1, 90) n)",
    ];
    const exact: Awaited<ReturnType<typeof found>>[] = [];
    for (const where of ways) exact.push(await found(10, where));
    for (const kind of kinds) {
      const { name, searched, built } = await build(kind);
      expect({ searched, built }).toEqual({ searched: name, built: true });
      expect((await loadSearched(db, "kinds")).index).toEqual(parseIndexKind(kind));
      const before = await scans(name);
      for (const [i, where] of ways.entries()) {
        // Of each way of asking, the rows of a page and those that a search by meaning and words asks for.
        expect((await found(60, where)).ts.slice(0, 1)).toEqual((exact[i]?.ts ?? []).slice(0, 1));
        const keys = await found(10, where);
        const wanted = exact[i]?.ts ?? [];
        for (const some of [keys.ts, keys.fromSql]) {
          expect(some).toHaveLength(wanted.length);
          expect(some.filter((key) => wanted.includes(key)).length).toBeGreaterThanOrEqual(wanted.length - 1);
          expect(some[0]).toBe(wanted[0]);
        }
      }
      // More than any index gives: all are compared.
      expect((await found(1_200)).ts).toHaveLength(1_200);
      expect((await found(1_200)).fromSql).toHaveLength(1_200);
      await expect.poll(() => scans(name), { timeout: 30_000 }).toBeGreaterThanOrEqual(before + 4);
      expect((await build(kind)).built).toBe(false);
      await client.query(`drop index ${name}`);
    }
  });

  test("A model change copies each kind to vectors of another length, and searches prefer what is nearest to exact", async () => {
    await watched("vector(16)", 50);
    for (const kind of ["binary", "prefix:8", "half"]) await build(kind);
    await client.query(
      "create index on public.kinds using hnsw ((binary_quantize(embedding)::bit(16)) bit_hamming_ops) with (m = 8) where id > 5",
    );
    const { source, index } = await loadSearched(db, "kinds");
    expect(index).toEqual({ kind: "half" });
    const indexes = await vectorIndexes(db, source);
    const copied = (type: "vector" | "halfvec", dimensions: number) =>
      indexes.map((one) => {
        const next = { ...source, vectorType: type, columnDimensions: dimensions, vectorColumn: "new" };
        const { expression, operators, predicate, storage } = copiedShape(source, next, one);
        return [expression, operators, predicate, storage]
          .filter((part) => part !== null)
          .join(" ")
          .replaceAll('"public".', "");
      });
    const ours = "with (ef_construction = '128')";
    expect(copied("halfvec", 3_072)).toEqual([
      `(binary_quantize("new")::bit(3072)) bit_hamming_ops ${ours}`,
      `(subvector("new", 1, 8)::halfvec(8)) halfvec_cosine_ops ${ours}`,
      `"new" halfvec_cosine_ops ${ours}`,
      "(binary_quantize(\"new\")::bit(3072)) bit_hamming_ops (id > 5) with (m = '8')",
    ]);
    // A prefix as long as the new vectors is all of them.
    expect(copied("vector", 8)[1]).toBe(`"new" vector_cosine_ops ${ours}`);
  });

  test("index --measure compares kinds on a sample, builds none, and says what it cannot measure", async () => {
    await watched("vector(16)", 3_000);
    const run = async (...options: string[]) => {
      const command = runCommand(["index", "kinds", ...options], on.environment);
      return { code: await command.exited, out: command.stdout(), err: command.stderr() };
    };
    const { code, out } = await run("--measure", "--sample", "1000", "--kind", "full", "--kind", "binary");
    expect(code).toBe(0);
    expect(out).toContain("1000 of about 3000 vectors of kinds; 50 of them were the questions.");
    const recalls = new Map(
      [...out.matchAll(/^(\S.*?) +([01]\.\d{3}) /gm)].map((row) => [row[1], Number(row[2])]),
    );
    expect([...recalls.keys()]).toEqual(["no index", "full", "binary"]);
    expect(recalls.get("full")).toBeGreaterThan(0.95);
    const { source } = await loadSearched(db, "kinds");
    expect(await vectorIndexes(db, source)).toEqual([]);

    const left = async () =>
      (await client.query("select from pg_class where relname in ('sample', 'sampled')")).rowCount;
    await expect.poll(left, { timeout: 30_000 }).toBe(0);

    const stopped = runCommand(["index", "kinds", "--measure"], on.environment);
    await expect.poll(() => stopped.stderr(), { timeout: 30_000 }).toContain("building full");
    stopped.process.kill("SIGINT");
    expect(await stopped.exited).toBe(1);
    expect(stopped.stderr()).toContain("Interrupted by SIGINT");
    expect(stopped.stdout()).toBe("");
    await expect.poll(left, { timeout: 30_000 }).toBe(0);

    const refused = async (options: string[], message: string): Promise<void> => {
      expect(await run(...options)).toMatchObject({
        code: 2,
        err: expect.stringContaining(message) as string,
      });
    };
    await refused(["--kind", "tiny"], 'no kind of index called "tiny"');
    await refused(["--kind", "prefix:16"], "A prefix of 16 is no part of vectors of 16 dimensions");
    await refused(["--measure", "--sample", "7"], "--sample takes a whole number from 1000");
    await client.query("delete from public.kinds where id > 10");
    await refused(["--measure"], "kinds has 10 vectors; measuring takes 1000 or more");
  });
});
