import { expect, onTestFinished, test, vi } from "vitest";
import {
  createListener,
  migrate,
  readConfig,
  search,
  unwatch,
  UsageError,
  watch,
  type MigrateOptions,
} from "../../src/index.ts";
import { openUnmigratedDatabase } from "../support/unmigrated-database.ts";
import { withClient } from "../support/with-client.ts";

vi.setConfig({ testTimeout: 180_000 });

async function prepareUnmigrated() {
  const database = await openUnmigratedDatabase();
  onTestFinished(() => database.close());
  return { ...readConfig({ EMBEDDING_DIM: "8" }), DATABASE_URL: database.url };
}

test("On a database that was not migrated, each function of the library says what to run", async () => {
  const config = await prepareUnmigrated();
  const listener = createListener(config);
  const calls = [
    () => watch(config, { table: "pg_catalog.pg_class", text: "relname" }),
    () => unwatch(config, "tickets"),
    () => search(config, "rain coat"),
    () => listener.start(),
  ];
  for (const call of calls) {
    await expect(call()).rejects.toMatchObject({
      name: "SetupError",
      message: "This database has not been migrated.",
      remedy: "Run: npm run migrate",
    });
  }
  await listener.stop();
});

test("migrate() takes the same settings as the other functions, and can be repeated", async () => {
  const config = await prepareUnmigrated();
  const messages: string[] = [];
  await migrate(config, { onMessage: (message) => messages.push(message) });
  expect(messages).toContain("Applying 000001-tables.sql");
  await migrate(config);
  await withClient(config.DATABASE_URL, async (client) => {
    const { rows } = await client.query(
      "select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'patient_embeddings'::regclass and attname = 'embedding'",
    );
    expect(rows).toEqual([{ type: "vector(8)" }]);
  });
  await expect(search(config, "rain coat", { source: "tickets" })).rejects.toThrow("No source is called");
});

test.each([
  "socket:/nowhere/at/all?db=app",
  "/nowhere/at/all app",
  "postgres:///app?host=/nowhere/at/all",
  "postgres://127.0.0.1:1/app?sslrootcert=system",
])("migrate() takes the address %s, as DATABASE_URL does", async (databaseUrl) => {
  expect(readConfig({ DATABASE_URL: databaseUrl }).DATABASE_URL).toBeDefined();
  // It is taken: what is missing is the server.
  await expect(migrate({ databaseUrl, dimensions: 8 })).rejects.toMatchObject({
    name: "SetupError",
    message: expect.stringMatching(
      /^Cannot use the database of DATABASE_URL: .*(ENOENT|ECONNREFUSED)/,
    ) as string,
  });
});

test.each([
  [{}, "given no database"],
  [{ DATABASE_URL: undefined, EMBEDDING_DIM: 8 }, "given no database"],
  [{ databaseUrl: "", dimensions: 8 }, "given no database"],
  [{ databaseUrl: "127.0.0.1", dimensions: 8 }, "given no database: expected a URL such as postgres://"],
  [{ databaseUrl: "postgres://127.0.0.1:1/none" }, "given no length of vectors"],
  [{ databaseUrl: "postgres://127.0.0.1:1/none", dimensions: 0.5 }, "given no length of vectors"],
])("migrate(%j) connects nowhere, and says what is missing", async (argument, says) => {
  // As from JavaScript, where no type refuses it.
  const call = migrate(argument as unknown as MigrateOptions);
  await expect(call).rejects.toThrow(UsageError);
  await expect(call).rejects.toThrow(says);
});
