import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openPool } from "../../src/database/pools.ts";
import { withProvider } from "../../src/providers/with-provider.ts";
import { checkDimensions } from "../../src/sources/check-dimensions.ts";
import { chooseSources } from "../../src/sources/choose-sources.ts";
import { watch, type WatchOptions } from "../../src/watch/watch.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const TABLE = 'app."Support Tickets"';

async function prepareTickets() {
  const on = await prepare();
  await on.client.query(`drop schema if exists app cascade; create schema app;
    create table ${TABLE} (id int primary key, body text)`);
  const config = { ...readConfig(on.environment), DATABASE_URL: on.database.url };
  const db = openPool("command", config);
  onTestFinished(() => db.destroy());
  const tickets = { table: TABLE, text: "body" };
  const readSource = async () => {
    const [source] = await chooseSources(db, "tickets");
    if (source === undefined) throw new Error("no source");
    return source;
  };
  return {
    ...on,
    readSource,
    watch: (more: Partial<WatchOptions> = {}) => watch(db, config, { ...tickets, ...more }),
  };
}

/** The columns of the table. */
const COLUMNS = `select attname from pg_attribute where attrelid = '${TABLE}'::regclass and attnum > 0 and not attisdropped order by attnum`;

test("A length that the model does not make is refused before a column is added", async () => {
  const { client, watch } = await prepareTickets();
  await expect(watch({ dimensions: 768, model: "of-one-length" })).rejects.toMatchObject({
    name: "SetupError",
    message: `The model makes vectors of ${DIMENSIONS} dimensions, not 768.`,
    remedy: expect.stringContaining(`give --dim ${DIMENSIONS}`) as string,
  });
  expect((await client.query(COLUMNS)).rows).toEqual([{ attname: "id" }, { attname: "body" }]);
  expect(await watch({ dimensions: DIMENSIONS })).toMatchObject({ columnAdded: true });
});

test("While the provider is down, the length that was asked for is believed", async () => {
  const { provider, watch } = await prepareTickets();
  provider.always(503);
  expect(await watch({ dimensions: 768 })).toMatchObject({ vector: { dimensions: 768 } });
});

test.each([undefined, "vector", "halfvec"] as const)(
  "More dimensions than pgvector takes are refused with the limit, for a column of type %s",
  async (type) => {
    const { provider, watch } = await prepareTickets();
    await expect(watch({ dimensions: 100_000, type })).rejects.toMatchObject({
      name: "UsageError",
      message: "A vector has at most 16000 dimensions in pgvector, not 100000.",
    });
    expect(provider.counts.requests).toBe(0);
  },
);

test("An empty column of another length comes with the statement that changes it, and then it is watched", async () => {
  const { client, watch, listen } = await prepareTickets();
  await client.query(`alter table ${TABLE} add embedding vector(768)`);
  await watch({ name: "tickets" });
  const refusal: unknown = await watch({ name: "tickets", dimensions: DIMENSIONS }).catch(
    (error: unknown) => error,
  );
  const { message, remedy } = refusal as { message: string; remedy: string };
  expect(message).toContain("already exists, as vector(768)");
  const [statement = ""] = /alter table .*;/.exec(remedy) ?? [];
  await client.query(statement);
  await watch({ name: "tickets", dimensions: DIMENSIONS });
  const listener = await listen();
  await client.query(`insert into ${TABLE} values (1, 'printer on fire')`);
  await listener.whenDrained();
  expect((await client.query(`select vector_dims(embedding) as n from ${TABLE}`)).rows).toEqual([
    { n: DIMENSIONS },
  ]);
});

test("A column with vectors of another length leads to remodel, with the name quoted for a shell", async () => {
  const { client, watch } = await prepareTickets();
  await client.query(`alter table ${TABLE} add embedding vector(3);
    insert into ${TABLE} values (1, 'printer on fire', '[1,2,3]')`);
  await expect(watch({ name: "support tickets", dimensions: DIMENSIONS })).rejects.toMatchObject({
    remedy: expect.stringContaining('npm run remodel -- "support tickets" --dim N') as string,
  });
});

test.each([
  [{}, `set EMBEDDING_DIM=3`],
  [{ model: "of-one-length" }, "watch tickets again with --dim 3"],
] as const)(
  "A source (%j) whose column does not fit its model is said how to change either",
  async (own, says) => {
    const { client, watch, environment, readSource } = await prepareTickets();
    await client.query(`alter table ${TABLE} add embedding vector(3)`);
    await watch({ name: "tickets", ...own });
    const source = await readSource();
    const refused = withProvider(readConfig(environment), { ...source, dimensions: null }, {}, (provider) => {
      checkDimensions(source, provider);
    });
    await expect(refused).rejects.toMatchObject({
      message: expect.stringContaining(`makes vectors of ${DIMENSIONS} dimensions`) as string,
      remedy: expect.stringContaining(says) as string,
    });
    const { remedy } = (await refused.catch((error: unknown) => error)) as { remedy: string };
    await client.query(/alter table .*;/.exec(remedy)?.[0] ?? "");
    expect((await readSource()).columnDimensions).toBe(DIMENSIONS);
  },
);
