import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../../src/migrate.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { openEmptyDatabase } from "../support/native-database.ts";

async function emptyDatabase(): Promise<string> {
  const database = await openEmptyDatabase(process.env["TEST_DATABASE_URL"] ?? "");
  onTestFinished(() => database.close());
  return database.url;
}

describeNative("A database is migrated once", "needs several databases and connections", () => {
  test("Migrating from three deploys at once, and once more, makes one schema", async () => {
    const databaseUrl = await emptyDatabase();
    await Promise.all([1, 2, 3].map(() => migrate({ databaseUrl, dimensions: 8 })));
    await migrate({ databaseUrl, dimensions: 8 });

    const client = new pg.Client(databaseUrl);
    await client.connect();
    const { rows } = await client.query("select name from autoembed.embedding_source");
    await client.end();
    expect(rows).toEqual([{ name: "patient_embeddings" }]);
  });

  test("`npm start` on a database that is not migrated reports the command to run", async () => {
    const start = runCommand(["start"], { DATABASE_URL: await emptyDatabase() });
    expect(await start.exited).toBe(1);
    expect(start.stderr()).toContain("This database has not been migrated.\nRun: npm run migrate");
  });

  test("`npm start` with a provider whose vectors do not fit the column exits at once and names EMBEDDING_DIM", async () => {
    const databaseUrl = await emptyDatabase();
    await migrate({ databaseUrl, dimensions: 8 });
    const start = runCommand(["start"], { DATABASE_URL: databaseUrl });
    expect(await start.exited).toBe(1);
    expect(start.stderr()).toContain("makes vectors of 512 dimensions");
    expect(start.stderr()).toContain("EMBEDDING_DIM=8");
  });

  test("Migrating as a role that may not create objects is refused", async () => {
    const databaseUrl = await emptyDatabase();
    const role = `autoembed_lesser_${process.pid}`;
    const owner = new pg.Client(databaseUrl);
    await owner.connect();
    onTestFinished(async () => {
      await owner.query(`drop role if exists ${role}`);
      await owner.end();
    });
    await owner.query(`create extension vector; create role ${role} login`);
    const url = new URL(databaseUrl);
    url.username = role;
    await expect(migrate({ databaseUrl: url.href, dimensions: 8 })).rejects.toThrow(
      "may not migrate this database",
    );
  });
});
