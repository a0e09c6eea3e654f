import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { onTestFinished } from "vitest";
import { findWork } from "../../src/adopt/find.ts";
import type { Hints, Tool } from "../../src/adopt/found.ts";
import { planAdoption, type AdoptPlan } from "../../src/adopt/plan.ts";
import { prove, requireProof, type Proof } from "../../src/adopt/prove.ts";
import { rollBack } from "../../src/adopt/roll-back.ts";
import { takeOver, type Adopted } from "../../src/adopt/take-over.ts";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { prepareDeclaring } from "../support/declaring.ts";
import { HAS_TERMINAL, openTerminal } from "../support/terminal.ts";
import {
  LANGCHAIN,
  PGAI_CHUNKS,
  PGAI_COLUMN,
  PGAI_STORE,
  pgVectorize,
  SCRIPT,
  SUPABASE,
  vectorOf,
} from "./other-tools.ts";

vi.setConfig({ testTimeout: 120_000 });

const signal = new AbortController().signal;

async function prepareAdopting(create: string) {
  const on = await prepareDeclaring(create);
  const db = connect({ databaseUrl: on.database.url, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const config = { ...readConfig(on.environment), DATABASE_URL: on.database.url };
  const plan = async (tool: Tool, hints: Hints = {}, outdated?: string): Promise<AdoptPlan> =>
    await planAdoption(db, config, await findWork(db, tool, hints), { declared: {}, outdated }, signal);
  const proof = (planned: AdoptPlan): Promise<Proof> =>
    prove(db, config, planned, { size: 20, threshold: 0.98, signal });
  const take = async (planned: AdoptPlan): Promise<Adopted> => {
    const proved = await proof(planned);
    requireProof(proved, 0.98, planned.found.kept);
    return await takeOver(db, config, planned, proved, signal);
  };
  const back = (source: string, force = false) => rollBack(db, source, force, signal);
  const one = async (query: string): Promise<unknown> => {
    const { rows } = await on.client.query<unknown[]>({ text: query, rowMode: "array" });
    return rows[0]?.[0];
  };
  return { ...on, db, config, plan, proof, take, back, one };
}

/** The triggers of `shop.docs` that are off. */
const OFF = `select coalesce(string_agg(tgname, ', ' order by tgname), '') from pg_trigger
  where tgrelid = 'shop.docs'::regclass and tgenabled = 'D'`;
const QUEUED = "select coalesce(string_agg(key, ', ' order by key), '') from autoembed.embedding_queue";
const VALIDATED = "select convalidated from pg_constraint where conname = 'pg_autoembed_follows_key'";
const COMMENT =
  "select obj_description(oid, 'pg_trigger') from pg_trigger where tgname = '_vectorizer_src_trg_1'";

interface Shape {
  readonly tool: Tool;
  readonly create: string;
  readonly textColumn?: string;
  /** Triggers that are switched off. */
  readonly off: string;
  /** Where the vectors are after it, as `id` and `embedding`. */
  readonly vectors: string;
  /** What the tool sends for a text. */
  readonly sent: (text: string) => string;
}

const SHAPES: Record<string, Shape> = {
  "pgai, in a column": {
    tool: "pgai",
    create: PGAI_COLUMN,
    off: "_vectorizer_src_trg_1",
    vectors: "shop.docs",
    sent: (text) => text,
  },
  "pgai, a row per text in a table of its own, with a template": {
    tool: "pgai",
    create: PGAI_STORE,
    off: "",
    vectors: "shop.docs_embeddings",
    sent: (text) => `it's: ${text}`,
  },
  "Supabase's automatic embeddings": {
    tool: "supabase",
    create: SUPABASE,
    textColumn: "content",
    off: "clear_docs_embedding_on_update, embed_docs_on_insert, embed_docs_on_update",
    vectors: "shop.docs",
    sent: (text) => `# title\n\n${text}`,
  },
  "pg_vectorize, in a table that it joins": {
    tool: "pg_vectorize",
    create: pgVectorize("join"),
    off: "vectorize_update_trigger_docs",
    vectors: "(select id, embeddings as embedding from vectorize._embeddings_docs) v",
    sent: (text) => `title ${text}`,
  },
  "pg_vectorize, in a column, by the clock": {
    tool: "pg_vectorize",
    create: pgVectorize("append"),
    off: "",
    vectors: "(select id, docs_embeddings as embedding from shop.docs) v",
    sent: (text) => `title ${text}`,
  },
};

test.each(Object.entries(SHAPES))(
  "Vectors of %s are taken over unpaid, changed rows are embedded, and the other tool is given back as it was",
  async (_, { tool, create, textColumn = "body", off, vectors, sent }) => {
    const { provider, client, listen, plan, proof, take, back, one } = await prepareAdopting(create);
    const planned = await plan(tool);
    expect(planned.rows).toEqual({ withVector: 11, outdated: 1, withoutVector: 0 });
    expect(provider.counts.requests).toBe(0);
    const proved = await proof(planned);
    expect(proved).toMatchObject({ sampled: 11, agree: 11 });
    expect(proved.lowest).toBeGreaterThan(0.999);
    expect(await one(OFF)).toBe("");

    expect(await take(planned)).toEqual({ source: "shop.docs", adopted: 11, queued: 1, lent: 0 });
    expect(await one(OFF)).toBe(off);
    if (create === pgVectorize("join")) expect(await one(VALIDATED)).toBe(true);
    expect(await one(QUEUED)).toBe("3");
    await client.query(`update shop.docs set ${textColumn} = 'changed after' where id = 5`);
    expect(await one(QUEUED)).toBe("3, 5");
    // pgai has noted these rows itself, where its vectors are in a table of its own.
    if (create !== PGAI_STORE) await expect(back("shop.docs")).rejects.toThrow("2 rows of shop.docs wait");

    const paid = provider.counts.inputs;
    const listener = await listen();
    await listener.whenDrained();
    await listener.stop();
    // Two texts, and the word by which a listener asks for the length.
    expect(provider.counts.inputs - paid).toBeLessThanOrEqual(3);
    for (const [key, text] of [
      [3, "changed before"],
      [5, "changed after"],
      [7, "text number 7"],
    ] as const) {
      const type = create === SUPABASE ? "halfvec" : "vector";
      const same = await one(
        `select embedding = ${vectorOf(sent(text))}::${type} from ${vectors} where id = ${key}`,
      );
      expect(same, `row ${key}`).toBe(true);
    }

    await back("shop.docs");
    expect(await one(OFF)).toBe("");
    expect(await one("select count(*)::int from autoembed.embedding_source where name = 'shop.docs'")).toBe(
      0,
    );
    if (tool === "pgai") expect(await one(COMMENT)).toBe("of pgai");
    if (tool === "pgai") expect(await one("select disabled from ai.vectorizer")).toBe(false);
    if (create === PGAI_STORE)
      expect(await one("select string_agg(id::text, ', ') from ai._vectorizer_q_1")).toBe("3, 5");
    if (create === pgVectorize("append")) expect(await one("select active from cron.job")).toBe(true);
    // The message of another table is left alone.
    if (tool === "supabase") expect(await one("select count(*)::int from pgmq.q_embedding_jobs")).toBe(1);
  },
);

test("A chunk of pgai that comes out the same lends its vector; the others are embedded", async () => {
  const { provider, listen, plan, take, run, one } = await prepareAdopting(PGAI_CHUNKS);
  const planned = await plan("pgai");
  expect(planned.estimate).toMatchObject({ textsToCut: 12 });
  expect(await take(planned)).toMatchObject({ source: "shop.docs", lent: 13 });
  const paid = provider.counts.inputs;
  await listen();
  expect((await run("backfill", "--source", "shop.docs")).code).toBe(0);
  // "changed before" and "text number 12", and the words by which two listeners ask for the length.
  expect(provider.counts.inputs - paid).toBeLessThanOrEqual(4);
  expect(await one("select count(*)::int from shop.docs_chunks where embedding is not null")).toBe(12);
});

test("While a worker has messages of the table, nothing is changed", async () => {
  const { client, plan, take, one } = await prepareAdopting(SUPABASE);
  const hide = (until: string) => client.query(`update pgmq.q_embedding_jobs set vt = now() + '${until}'`);
  await hide("1 hour");
  await expect(take(await plan("supabase"))).rejects.toMatchObject({
    message: expect.stringContaining("A worker of supabase is embedding 1 rows") as string,
    remedy: expect.stringMatching(/wait 3\d{3} seconds/) as string,
  });
  expect(await one(OFF)).toBe("");
  expect(await one("select count(*)::int from pgmq.a_embedding_jobs")).toBe(0);
  await hide("0");
  expect(await take(await plan("supabase"))).toMatchObject({ adopted: 11, queued: 1 });
});

test("A job of pg_vectorize may name a column of changes that its table does not have", async () => {
  const { client, plan, take } = await prepareAdopting(pgVectorize("join"));
  await client.query(`update vectorize.job set params = params || '{"update_time_col": "last_updated_at"}'`);
  expect(await take(await plan("pg_vectorize"))).toMatchObject({ adopted: 11, queued: 1 });
});

test.each(["shop.embedding_input", '"shop"."embedding_input"'])(
  "The content function of Supabase's triggers is found as %s",
  async (name) => {
    const { take, plan } = await prepareAdopting(
      SUPABASE.replaceAll("queue_embeddings('embedding_input'", `queue_embeddings('${name}'`),
    );
    expect(await take(await plan("supabase"))).toMatchObject({ adopted: 11, queued: 1 });
  },
);

test("A job of pg_cron is found by the name as it is, and not as a pattern", async () => {
  const { client, db } = await prepareAdopting(pgVectorize("append"));
  await client.query(`
    alter table shop.docs add d_cs_embeddings vector;
    insert into vectorize.job select 'd_cs', transformer, params from vectorize.job`);
  const jobsOf = async (name: string) => (await findWork(db, "pg_vectorize", { name })).workers.cronJobs;
  expect(await jobsOf("docs")).toEqual([7]);
  expect(await jobsOf("d_cs")).toEqual([]);
});

test("A mark on another table's trigger, or of another table's vectorizer, is not obeyed", async () => {
  const { client, plan, take, back, one } = await prepareAdopting(PGAI_COLUMN);
  await take(await plan("pgai"));
  await client.query(`
    insert into ai.vectorizer (id, source_schema, source_table, disabled) values (2, 'shop', 'others', true);
    create table shop.others (id bigint primary key);
    create trigger elsewhere after insert on shop.others for each row execute function ai._vectorizer_src_trg_1();
    alter table shop.others disable trigger elsewhere`);
  const mark = { source: "shop.docs", tool: "pgai", fires: "O", vectorizer: 2, comment: null };
  const planted = `'Switched off by pg-autoembed adopt: ${JSON.stringify(mark)}'`;
  await client.query(`
    comment on trigger elsewhere on shop.others is ${planted};
    comment on trigger _vectorizer_src_trg_1 on shop.docs is ${planted}`);
  expect(await back("shop.docs", true)).toMatchObject({ triggers: ["_vectorizer_src_trg_1"] });
  expect(await one("select tgenabled from pg_trigger where tgname = 'elsewhere'")).toBe("D");
  expect(await one("select disabled from ai.vectorizer where id = 2")).toBe(true);
});

test("One wrong vector of a chunk refuses all, and is lent to nobody", async () => {
  const { client, db, config, plan, proof, take, one } = await prepareAdopting(PGAI_CHUNKS);
  await client.query(
    `update shop.docs_store set embedding = ${vectorOf("another model")} where chunk = 'text number 2'`,
  );
  const planned = await plan("pgai");
  await expect(take(planned)).rejects.toThrow("12 of 13 texts have a vector that");
  expect(await one("select count(*)::int from autoembed.embedding_source where name = 'shop.docs'")).toBe(0);
  expect(await takeOver(db, config, planned, await proof(planned), signal)).toMatchObject({ lent: 12 });
});

test("Rows that the worker of pgai has given up are queued: they have the vector of their old text", async () => {
  const { client, plan, take, one } = await prepareAdopting(PGAI_COLUMN);
  await client.query(`
    create table ai._vectorizer_q_failed_1 (id bigint not null, created_at timestamptz not null default now(),
      failure_step text not null default '');
    update ai.vectorizer set queue_failed_table = '_vectorizer_q_failed_1';
    update shop.docs set body = 'given up' where id = 4;
    with gone as (delete from ai._vectorizer_q_1 where id = 4 returning id)
    insert into ai._vectorizer_q_failed_1 (id) select id from gone`);
  const planned = await plan("pgai");
  expect(planned.rows).toEqual({ withVector: 10, outdated: 2, withoutVector: 0 });
  expect(await take(planned)).toMatchObject({ adopted: 10, queued: 2 });
  expect(await one(QUEUED)).toBe("3, 4");
});

describe("Vectors that nobody keeps current", () => {
  test("of LangChain are taken over in their table, whatever the length of its column", async () => {
    const { plan, take } = await prepareAdopting(LANGCHAIN);
    const planned = await plan("langchain");
    expect(planned.wanted).toMatchObject({ key: ["id"], text: "document" });
    expect(await take(planned)).toMatchObject({ adopted: 12, queued: 0 });
  });

  test("of several models are refused, with the figures, and taken over without the rows that --outdated names", async () => {
    const { client, plan, proof, take, one } = await prepareAdopting(SCRIPT);
    await client.query(
      `update shop.docs set embedding = ${vectorOf("another model")}, model = 'wrong' where id % 2 = 0 and id < 13`,
    );
    const hints = { table: "shop.docs", text: "body" };
    const mixed = await plan("column", hints);
    const proved = await proof(mixed);
    expect(proved).toMatchObject({ sampled: 12, agree: 6 });
    expect(() => {
      requireProof(proved, 0.98, mixed.found.kept);
    }).toThrow("6 of 12 texts have a vector that");
    expect(await one("select count(*)::int from autoembed.embedding_source where name = 'shop.docs'")).toBe(
      0,
    );

    const planned = await plan("column", hints, "model = 'wrong'");
    expect(planned.rows).toEqual({ withVector: 6, outdated: 6, withoutVector: 1 });
    expect(await take(planned)).toMatchObject({ adopted: 6, queued: 6 });
    expect(await one(QUEUED)).toBe("10, 12, 2, 4, 6, 8");
    // An interrupted call is made again.
    expect(await take(await plan("column", hints, "model = 'wrong'"))).toMatchObject({
      adopted: 6,
      queued: 0,
    });
  });
});

test("The command shows what it would do, asks, and says what is missing", async () => {
  const { provider, run } = await prepareAdopting(PGAI_COLUMN);
  const shown = await run("adopt", "pgai", "--dry-run");
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toContain("11 rows have a vector, which is taken over and not paid for");
  expect(shown.stdout).toContain("off       trigger _vectorizer_src_trg_1");
  expect(shown.stdout).toContain("first     stop the worker of pgai");
  expect(shown.stdout).toContain("Nothing was sent and nothing was changed.");
  expect(await run("adopt", "pgai")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("give --yes") as string,
  });
  expect(provider.counts.requests).toBe(0);
  const taken = await run("adopt", "pgai", "--yes", "--json");
  expect(JSON.parse(taken.stdout)).toMatchObject({
    proof: { agree: 11 },
    adopted: { adopted: 11, queued: 1 },
  });
});

test.skipIf(!HAS_TERMINAL)(
  "`adopt --json` asks on stderr, and prints one document on stdout also where the answer is no",
  async () => {
    const { provider, environment, folder } = await prepareAdopting(PGAI_COLUMN);
    const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
    const stderr = join(folder, "stderr");
    const terminal = openTerminal(`node ${cli} adopt pgai --json 2>'${stderr}'`, environment);
    const asked = () => readFile(stderr, "utf8").catch(() => "");
    await expect.poll(asked, { timeout: 30_000 }).toContain("take over if it agrees? (y/N)");
    terminal.type("n\r");
    expect(await terminal.exited).toBe(1);
    expect(JSON.parse(terminal.screen())).toMatchObject({ tool: "pgai", proof: null, adopted: null });
    expect(await asked()).toContain("Nothing was sent and nothing was changed.");
    expect(provider.counts.requests).toBe(0);
  },
);
