import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSearch, type SearchConnection } from "../../src/search/create-search.ts";
import { prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 60_000 });

const { builtins } = pg.types;
const NAME = 19;
const TEXTS = 1009;
/** Types without a name in pg too. */
const parsers = pg.types as unknown as {
  readonly getTypeParser: (type: number) => (text: string) => unknown;
  readonly setTypeParser: (type: number, parser: (text: string) => unknown) => void;
};
/** What our statements give, apart from texts. */
const TYPES: readonly number[] = [
  builtins.BOOL,
  builtins.BYTEA,
  builtins.INT2,
  builtins.INT4,
  builtins.INT8,
  builtins.OID,
  builtins.FLOAT4,
  builtins.FLOAT8,
  builtins.NUMERIC,
  builtins.JSON,
  builtins.JSONB,
  builtins.TIMESTAMPTZ,
  NAME,
  TEXTS,
];

interface Unusual {
  readonly unusual: string;
}

function setParsers(): void {
  for (const type of TYPES) {
    const parser = parsers.getTypeParser(type);
    onTestFinished(() => {
      parsers.setTypeParser(type, parser);
    });
    parsers.setTypeParser(type, (unusual): Unusual => ({ unusual }));
  }
}

const OVER = ["config", "pool", "db"] as const;

test.each(OVER)(
  "A search over a %s finds the same, and selects values as the application's parsers make them, whatever these are",
  async (over) => {
    const { database, client, environment, listen } = await prepare();
    await client.query(`
      drop table if exists public.visits;
      create table public.visits (id bigint primary key, ward int, tags text[], body text, embedding vector(8));
      create index on public.visits using gin (to_tsvector('english', body));
      select autoembed.watch('public.visits', 'body', source_name => 'visits');
      insert into public.visits select i, i, '{a}', 'chest pain on day ' || i from generate_series(1, 20) i;
      analyze public.visits`);
    const listener = await listen();
    await listener.whenDrained();
    await listener.stop();
    const config = { ...readConfig(environment), DATABASE_URL: database.url };
    const find = async (connection: SearchConnection) => {
      const search = createSearch(connection);
      onTestFinished(() => search.close());
      const where = { ward: { gt: 3 } };
      const byBoth = { source: "visits", where, limit: 3, withSnippet: true, withText: true };
      await search.settled({ source: "visits", key: "1" });
      return {
        byBoth: await search.search("chest pain", byBoth),
        byMeaning: await search.search("chest pain", { source: "visits", hybrid: false, limit: 3 }),
        like: await search.search({ like: "4" }, { source: "visits", where, limit: 3 }),
        nothing: await search.search("chest pain", { source: "visits", where: { ward: 99 } }),
        query: await search.query("chest pain", { source: "visits", limit: 3 }),
        selected: await search.search("day", {
          source: "visits",
          limit: 1,
          select: ["ward", "tags", "body"],
        }),
      };
    };
    const usual = await find({ config });
    expect(usual.byBoth).toMatchObject({ rankedBy: "meaning and words", hits: { length: 3 } });
    setParsers();
    const pool = new pg.Pool({ connectionString: database.url });
    onTestFinished(() => pool.end());
    const db = new Kysely<never>({ dialect: new PostgresDialect({ pool }) });
    const connections = { config: { config }, pool: { config, pool }, db: { config, db } };
    const { selected, ...found } = await find(connections[over]);
    const { selected: usuallySelected, ...usuallyFound } = usual;
    expect(found).toEqual(usuallyFound);
    const [hit] = usuallySelected.hits;
    expect(selected.hits).toMatchObject([
      {
        key: hit?.key,
        score: hit?.score,
        row: {
          ward: { unusual: String(hit?.row["ward"]) },
          tags: { unusual: "{a}" },
          body: hit?.row["body"],
        },
      },
    ]);
  },
);
