import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { connect } from "../../src/database/connect.ts";
import { latestUrl, renewPassword } from "../../src/database/password-source.ts";
import { describeFailure } from "../../src/report-failure.ts";
import { runCommand } from "../support/command.ts";
import { describeNative } from "../support/database.ts";
import { prepare, wrongRows } from "../support/listening.ts";
import { noPgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { skippedTitle } from "../support/skipped-suites.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A PgBouncer in session mode, for it asks for a password where the tests' server trusts. */
async function prepareWithPassword() {
  const around = await prepare();
  const folder = mkdtempSync(join(tmpdir(), "autoembed-"));
  const pooler = await startPgBouncer(
    around.database.url,
    {
      pool_mode: "session",
      default_pool_size: "30",
      ignore_startup_parameters: "options,lock_timeout,statement_timeout",
    },
    "first-secret",
  );
  onTestFinished(async () => {
    await pooler.close();
    rmSync(folder, { recursive: true });
  });
  return { ...around, pooler, file: join(folder, "secret") };
}

/** A command that prints the password, and notes for whom it was asked for it. */
function printing(file: string): string {
  return `echo "$PGUSER@$PGHOST:$PGPORT" >> '${file}.log'; cat '${file}'`;
}

/** The address with other hosts before and after its own, which are down. */
function listing(url: string): string {
  return url.replace(/@([^/]+)/, "@127.0.0.1:1,$1,127.0.0.1:1");
}

interface Source {
  readonly settings: Readonly<Record<string, string>>;
  readonly write: (password: string) => void;
}

function printed(url: string, file: string): Source {
  return {
    settings: { DATABASE_URL: url, DATABASE_PASSWORD_COMMAND: printing(file) },
    write: (password) => {
      writeFileSync(file, `${password}\n`);
    },
  };
}

function inFile(url: string, file: string, several: (address: string) => string = String): Source {
  return {
    settings: { DATABASE_URL_FILE: file },
    write: (password) => {
      const address = new URL(url);
      address.password = password;
      writeFileSync(file, `${several(address.href)}\n`);
    },
  };
}

const SOURCES: Readonly<Record<string, (url: string, file: string) => Source>> = {
  "that a command prints": printed,
  "that a command prints for a list of hosts, others of which are down,": (url, file) =>
    printed(listing(url), file),
  "in the file of the address": (url, file) => inFile(url, file),
};

if (noPgBouncer !== undefined)
  test.skip(skippedTitle("Passwords that change", noPgBouncer, "install it"), () => undefined);
else
  describeNative("Passwords that change", "needs several sessions", () => {
    test.each(Object.entries(SOURCES))(
      "a password %s is taken anew by every connection of a listener once it was refused, LISTEN too",
      async (_, source) => {
        const { client, database, environment, listen, pooler, file } = await prepareWithPassword();
        const { settings, write } = source(pooler.url, file);
        write("first-secret");
        const { DATABASE_URL: _direct, ...rest } = environment;
        // The poll comes too late to find anything: it is heard of.
        const listener = await listen({
          ...rest,
          ...settings,
          DATABASE_URL: settings["DATABASE_URL"] ?? "",
          EMBED_POLL_MS: "600000",
        });
        await client.query("insert into patient_embeddings values (1, 'by the first')");
        await listener.whenDrained(AbortSignal.timeout(30_000));

        await pooler.setPassword("second-secret");
        write("second-secret");
        const heard = vi.fn();
        listener.events.on("listening", heard);
        await client.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name like 'pg-autoembed%' and datname = $1 and pid <> pg_backend_pid()`,
          [new URL(database.url).pathname.slice(1)],
        );
        await vi.waitFor(
          () => {
            expect(heard).toHaveBeenCalled();
          },
          { timeout: 30_000 },
        );
        await client.query("insert into patient_embeddings values (2, 'by the second')");
        await vi.waitFor(
          async () => {
            expect(await wrongRows(client)).toEqual([]);
          },
          { timeout: 30_000 },
        );
        await listener.stop();
        if (settings["DATABASE_PASSWORD_COMMAND"] === undefined) return;
        const { username, port } = new URL(pooler.url);
        const own = `${username}@127.0.0.1:${port}`;
        const other = settings["DATABASE_URL"] === pooler.url ? [] : [`${username}@127.0.0.1:1`];
        const asked = readFileSync(`${file}.log`, "utf8").trim().split("\n");
        expect(new Set(asked)).toEqual(new Set([own, ...other]));
        // Far fewer times than connections were opened: those that open together share one.
        expect(asked.filter((recipient) => recipient === own).length).toBeLessThan(8);
      },
    );

    test("a password that a host of a list refuses is named and replaced, although other hosts are down", async () => {
      const { pooler, file } = await prepareWithPassword();
      const { settings, write } = inFile(pooler.url, file, listing);
      write("wrong-secret");
      const { DATABASE_URL: databaseUrl = "" } = readConfig(settings);
      const db = connect({ databaseUrl, maxConnections: 1, ownSessions: true });
      onTestFinished(() => db.destroy());
      const answer = () => sql`select`.execute(db).then(() => "taken", describeFailure);
      expect(await answer()).toContain("password authentication failed");
      write("first-secret");
      await expect.poll(answer, { timeout: 30_000 }).toBe("taken");
    });

    test("a command works for the command line, and one that fails is named, with nothing of what it printed", async () => {
      const { environment, pooler, file } = await prepareWithPassword();
      writeFileSync(file, "first-secret\n");
      const run = async (command: string) => {
        const settings = { ...environment, DATABASE_URL: pooler.url, DATABASE_PASSWORD_COMMAND: command };
        const running = runCommand(["sources"], settings);
        return { code: await running.exited, output: running.stdout() + running.stderr() };
      };
      expect(await run(`cat '${file}'`)).toMatchObject({ code: 0 });
      const failed = await run("echo hunter2; echo hunter2 >&2; exit 3");
      expect(failed).toMatchObject({ code: 1 });
      expect(failed.output).toContain(
        "The command of DATABASE_PASSWORD_COMMAND ended with exit code 3.\nRun it by hand to see why.",
      );
      expect(failed.output).not.toContain("hunter2");
      expect((await run("true")).output).toContain("prints no password: expected one line, got nothing");
    });
  });

test("an address in a file that is read while it is written is not taken, and one that is taken is read as at the start", () => {
  const folder = mkdtempSync(join(tmpdir(), "autoembed-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, "address");
  writeFileSync(file, "postgres://app:first@db/app\n");
  const { DATABASE_URL: url = "" } = readConfig({ DATABASE_URL_FILE: file });
  const afterRefusal = (written: string) => {
    writeFileSync(file, written);
    renewPassword(url, { PGHOST: "db", PGPORT: "5432", PGUSER: "app", PGDATABASE: "app" });
    return latestUrl(url);
  };
  expect(["", "\n", "postg", "db/app"].map(afterRefusal)).toEqual([url, url, url, url]);
  const second = "postgres://app:second@db/app?sslmode=verify-full";
  expect(afterRefusal("postgres://app:second@db/app?sslrootcert=system\n")).toBe(second);
  expect(afterRefusal("")).toBe(second);
});

test.each([
  ["any", true],
  ["read-write", true],
  ["primary", true],
  ["prefer-standby", true],
  ["standby", false],
  ["read-only", false],
])("target_session_attrs=%s of one host is obeyed", async (wanted, taken) => {
  const { database } = await prepare();
  const databaseUrl = `${database.url}?target_session_attrs=${wanted}`;
  const db = connect({ databaseUrl, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  const answer = await sql`select`.execute(db).then(() => true, describeFailure);
  if (taken) expect(answer).toBe(true);
  else
    expect(answer).toContain(
      "The server of DATABASE_URL is a primary, and target_session_attrs does not want it.",
    );
});

test.each([
  [{ DATABASE_PASSWORD_COMMAND: "true" }, "DATABASE_PASSWORD_COMMAND: DATABASE_URL must be set"],
  [
    { DATABASE_URL: "postgres://app:hunter2@db/app", DATABASE_PASSWORD_COMMAND: "true" },
    "DATABASE_PASSWORD_COMMAND: DATABASE_URL has a password too",
  ],
  [
    { DATABASE_URL: "/var/run/postgresql app", DATABASE_PASSWORD_COMMAND: "true" },
    "DATABASE_PASSWORD_COMMAND: expected DATABASE_URL as postgres://",
  ],
  [
    { DATABASE_URL: "postgres://app@db/app?target_session_attrs=master" },
    "target_session_attrs should be one of any",
  ],
])("%o is refused", (environment, problem) => {
  expect(() => readConfig(environment)).toThrow(problem);
  expect(() => readConfig(environment)).not.toThrow("hunter2");
});

test("an address with a password of its own keeps it, next to one that gets it from a command", async () => {
  const { database } = await prepare();
  const own = new URL(database.url);
  own.password = "of-its-own";
  const bare = new URL(database.url);
  bare.password = "";
  const config = readConfig({
    DATABASE_URL: bare.href,
    LISTEN_DATABASE_URL: own.href,
    DATABASE_PASSWORD_COMMAND: "exit 1",
  });
  const client = new pg.Client({ connectionString: config.LISTEN_DATABASE_URL ?? "" });
  onTestFinished(() => client.end());
  expect(client.password).toBe("of-its-own");
  const db = connect({ databaseUrl: own.href, maxConnections: 1, ownSessions: true });
  onTestFinished(() => db.destroy());
  await sql`select`.execute(db);
});
