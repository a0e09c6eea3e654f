import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { databaseFault, isOutage, isOutOfConnections } from "../../src/database/database-fault.ts";
import { describeFailure } from "../../src/report-failure.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { openEmptyDatabase } from "../support/native-database.ts";
import { noPgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { startProviderServer } from "../support/provider-server.ts";
import { skippedTitle } from "../support/skipped-suites.ts";
import { DIMENSIONS, prepare, wrongRows } from "../support/listening.ts";

vi.setConfig({ testTimeout: 180_000 });

const POOLERS = {
  "as it comes": {},
  "that ignores settings of sessions": {
    ignore_startup_parameters: "options,lock_timeout,statement_timeout,extra_float_digits",
  },
} as const;

async function session(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

async function run(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const command = runCommand(args, environment);
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

if (noPgBouncer !== undefined) {
  test.skip(skippedTitle("A real PgBouncer", noPgBouncer, "install it"), () => undefined);
  console.log(`skipped: the tests of a real PgBouncer: ${noPgBouncer}`);
} else
  describeNative("A real PgBouncer in transaction mode", "needs several sessions", () => {
    test.each(Object.entries(POOLERS))(
      "migrate, watch, the listener, backfill, drain and search work through one %s, with an address past it",
      async (_, settings) => {
        const database = await openEmptyDatabase(process.env["TEST_DATABASE_URL"] ?? "");
        onTestFinished(() => database.close());
        const provider = await startProviderServer({ dimensions: DIMENSIONS });
        onTestFinished(() => provider.close());
        const pooler = await startPgBouncer(database.url, settings);
        onTestFinished(() => pooler.close());
        const environment = {
          DATABASE_URL: pooler.url,
          LISTEN_DATABASE_URL: database.url,
          EMBEDDING_BACKEND: "llm_api",
          EMBEDDING_DIM: String(DIMENSIONS),
          OPENAI_BASE_URL: `${provider.url}/v1`,
          OPENAI_API_KEY: "test-key",
          EMBED_POLL_MS: "600000",
        };
        const does = async (...args: readonly string[]) => {
          const { code, stderr } = await run(args, environment);
          expect(code, stderr).toBe(0);
        };
        await does("migrate");
        const client = await session(database.url);
        await client.query(`create table pooled (patient_id int primary key, context_text text);
          insert into pooled select i, 'before ' || i from generate_series(1, 300) i`);
        await does("watch", "pooled", "--text", "context_text");
        await does("backfill", "--source", "pooled");
        await client.query("insert into pooled values (1001, 'due for a drain')");
        await does("drain");
        const listener = runCommand(["start"], environment);
        await vi.waitFor(
          () => {
            expect(listener.stderr()).toContain("listening for changes");
          },
          { timeout: 60_000 },
        );
        // Through the pooler, as the application writes. The poll comes too late to find them.
        const writer = await session(pooler.url);
        for (let i = 0; i < 20; i++)
          await writer.query(
            "insert into pooled select $1 * 100 + i, 'one of ' || $1 || ' ' || i from generate_series(2000, 2019) i",
            [i],
          );
        await vi.waitFor(
          async () => {
            const { rows } = await client.query("select from pooled where embedding is null");
            expect(rows).toHaveLength(0);
          },
          { timeout: 60_000, interval: 200 },
        );
        listener.process.kill("SIGTERM");
        await listener.exited;
        expect(await wrongRows(client, "pooled")).toEqual([]);
        const found = await run(
          ["search", "before 7", "--source", "pooled", "--limit", "1", "--json"],
          environment,
        );
        expect(found).toMatchObject({ code: 0, stdout: expect.stringMatching(/"key":"7"/) as string });
        // What other clients of the pooler get is as they left it.
        const others = await Promise.all(Array.from({ length: 8 }, () => session(pooler.url)));
        const shown = await Promise.all(
          others.map((other) => other.query("select current_setting('search_path') as path, pg_sleep(0.2)")),
        );
        for (const { rows } of shown) expect(rows).toMatchObject([{ path: '"$user", public' }]);
      },
    );

    test.each(Object.entries(POOLERS))(
      "one %s with no address past it is named, with what to set, and its sessions stay as they were",
      async (_, settings) => {
        const { database, environment, listen } = await prepare();
        const pooler = await startPgBouncer(database.url, { ...settings, default_pool_size: "2" });
        onTestFinished(() => pooler.close());
        const pooled = { ...environment, DATABASE_URL: pooler.url };
        const failed = {
          code: 1,
          stderr: expect.stringContaining("Set LISTEN_DATABASE_URL to an address") as string,
        };
        expect(await run(["start"], pooled)).toMatchObject(failed);
        expect(await run(["search", "anything"], pooled)).toMatchObject(failed);
        // The same where the address past the pooler leads to the pooler again: LISTEN would succeed, and hear nothing.
        const twice = listen({ ...pooled, LISTEN_DATABASE_URL: pooler.url });
        await expect(twice.catch((error: unknown) => describeFailure(error))).resolves.toContain(
          "Set LISTEN_DATABASE_URL",
        );
        const others = await Promise.all([session(pooler.url), session(pooler.url)]);
        for (const other of others)
          expect(
            (
              await other.query(
                "select current_setting('search_path') as path, current_setting('statement_timeout') as timeout",
              )
            ).rows,
          ).toEqual([{ path: '"$user", public', timeout: "0" }]);
      },
    );

    test("one in session mode that ignores settings is as good as a direct connection", async () => {
      const { client, database, environment, listen } = await prepare();
      const pooler = await startPgBouncer(database.url, {
        ...POOLERS["that ignores settings of sessions"],
        pool_mode: "session",
        default_pool_size: "20",
      });
      onTestFinished(() => pooler.close());
      const listener = await listen({ ...environment, DATABASE_URL: pooler.url, EMBED_POLL_MS: "600000" });
      await client.query("insert into patient_embeddings values (1, 'heard of')");
      await listener.whenDrained(AbortSignal.timeout(30_000));
      expect(await wrongRows(client)).toEqual([]);
      await listener.stop();
    });
  });

function refusal(code: string, message: string, where?: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, message.length, "error"), {
    code,
    severity: "FATAL",
    where,
  });
}

test.each([
  ["08P01", "unsupported startup parameter in options: plan_cache_mode", "Set LISTEN_DATABASE_URL"],
  [
    "0A000",
    "Feature not supported: RDS Proxy currently doesn't support command-line options.",
    "Set LISTEN_DATABASE_URL",
  ],
  ["42P05", 'prepared statement "embed_1" already exists', "Set LISTEN_DATABASE_URL"],
  ["26000", 'prepared statement "embed_1" does not exist', "Set LISTEN_DATABASE_URL"],
  ["XX000", "Tenant or user not found", "postgres.PROJECT"],
  [
    "XX000",
    "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
    "EMBED_MAX_CONNECTIONS",
  ],
  ["08P01", "query_wait_timeout", "default_pool_size"],
  ["08P01", "no more connections allowed (max_client_conn)", "max_client_conn"],
  ["08P01", "server_login_retry: server login has been failing, try again later", "pooler's log"],
  ["08006", "Timed-out waiting to acquire database connection", "MaxConnectionsPercent"],
])("the pooler's refusal %s %s is nobody's fault, and says what to do", (code, message, remedy) => {
  const error = refusal(code, message);
  expect(describeFailure(error)).toContain(remedy);
  expect(databaseFault(error)).toBe("server");
  expect(isOutage(error)).toBe(true);
  expect(isOutOfConnections(error)).toBe(/max/i.test(message));
});

test("the same codes raised by a user's trigger stay a fault of its row", () => {
  const error = refusal(
    "42P05",
    'prepared statement "mine" already exists',
    "PL/pgSQL function mine() line 1",
  );
  expect(databaseFault(error)).toBe("row");
  expect(isOutage(error)).toBe(false);
});
