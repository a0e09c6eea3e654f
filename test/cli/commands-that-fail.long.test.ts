import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { openTestDatabase } from "../support/database.ts";
import { DIMENSIONS, prepare } from "../support/listening.ts";
import { serve } from "../support/serving.ts";
import { withClient } from "../support/with-client.ts";

async function run(environment: Readonly<Record<string, string>>, ...args: string[]) {
  const command = runCommand(args, environment);
  const code = await command.exited;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

test("A wrong command line exits with 2 and says what is accepted", { timeout: 120_000 }, async () => {
  const { environment } = await prepare();
  const misused: [args: string[], says: RegExp][] = [
    [["constructor"], /There is no command "constructor"/],
    [["status", "--max-age", "0"], /--max-age takes a whole number from 1/],
    [["verify", "--sample", "99999999999"], /--sample takes a whole number from 1 to 2147483647/],
    [["verify", "--min-cosine", "2"], /--min-cosine takes a number from 0 to 1/],
    [["watch", "t", "--text", "b", "--setting", "timeout_ms"], /--setting takes a name and a value/],
    [["search", "x", "--limit", "0"], /--limit takes a whole number from 1/],
    [["search", "x", "--where", "true; drop table patient_embeddings"], /syntax error at or near ";"/],
    [["search", "x", "--hybrid", "--language", "klingon"], /configuration "klingon" does not exist/],
    [["index", "patient_embeddings", "--memory", "lots"], /--memory takes an amount such as 2GB, got "lots"/],
    [["cache"], /Usage: npm run cache -- prune/],
    [["cache", "prune", "--older-than", "90"], /--older-than takes a number of days, got "90"/],
    [["cache", "prune", "--older-than=-1d"], /--older-than takes a number of days, got "-1d"/],
    [["status", "--watch", "--json"], /--json prints one document/],
    [["resume", "one", "two"], /Name one source/],
  ];
  for (const [args, says] of misused) {
    expect(await run(environment, ...args)).toEqual({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(says) as string,
    });
  }
});

test(
  "Every command that names an unknown source exits with 2 and the names of the known ones",
  { timeout: 120_000 },
  async () => {
    const { environment } = await prepare();
    const named = [
      ["backfill", "--source", "nothing"],
      ["index", "nothing"],
      ["pause", "nothing"],
      ["remodel", "nothing"],
      ["remodel", "nothing", "--cancel"],
      ["remodel", "nothing", "--dry-run", "--model", "another"],
      ["resume", "nothing"],
      ["retry", "--source", "nothing"],
      ["search", "x", "--source", "nothing"],
      ["unwatch", "nothing"],
      ["verify", "--source", "nothing"],
    ];
    for (const args of named) {
      expect([args, await run(environment, ...args)]).toEqual([
        args,
        {
          code: 2,
          stdout: "",
          stderr: 'No source is called "nothing".\nSources: patient_embeddings.\n',
        },
      ]);
    }
  },
);

test(
  "Where no table is watched, a name and a search are answered with that",
  { timeout: 120_000 },
  async () => {
    const database = await openTestDatabase({ dimensions: DIMENSIONS });
    onTestFinished(() => database.close());
    await withClient(database.url, (client) =>
      client.query("select autoembed.unwatch('patient_embeddings')"),
    );
    const { environment, listen } = await prepare({ DATABASE_URL: database.url });
    for (const args of [
      ["pause", "nothing"],
      ["search", "x", "--source", "nothing"],
      ["failed", "--source", "nothing"],
    ]) {
      expect([args, await run(environment, ...args)]).toEqual([
        args,
        { code: 2, stdout: "", stderr: 'No source is called "nothing".\nSources: none.\n' },
      ]);
    }
    const http = await serve(await listen(), database.url);
    const search = async (body: object) => {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(new URL("/v1/search", http.url), {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      return { status: answer.status, ...((await answer.json()) as object) };
    };
    expect(await search({ question: "x", source: "nothing" })).toEqual({
      status: 404,
      error: 'No source is called "nothing". Sources: none.',
    });
    expect(await search({ question: "x" })).toEqual({
      status: 503,
      error: "What was asked for cannot be searched now; the operator can see why.",
    });
  },
);

test("A command whose database is away exits with 1 and says what to do", { timeout: 180_000 }, async () => {
  for (const args of [["status", "--json"], ["doctor"], ["retry"], ["cache", "prune"]]) {
    const { code, stdout, stderr } = await run(
      { DATABASE_URL: "postgres://user:pass-phrase@127.0.0.1:1/nowhere" },
      ...args,
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/ECONNREFUSED[^]*Check host, port/);
    expect(stderr).not.toMatch(/pass-phrase|\n\s+at /);
  }
});

test("An unreadable certificate exits with 2 and is named", { timeout: 180_000 }, async () => {
  for (const [name, file, code] of [
    ["sslrootcert", "/nowhere/ca.pem", "ENOENT"],
    ["sslkey", "/", "EISDIR"],
  ] as const) {
    const url = `postgres://user:pass-phrase@127.0.0.1:1/nowhere?sslmode=verify-full&${name}=${file}`;
    for (const [args, environment] of [
      [["status"], { DATABASE_URL: url }],
      [["migrate"], { DATABASE_URL: url }],
      [["start"], { DATABASE_URL: "postgres://127.0.0.1:1/nowhere", LISTEN_DATABASE_URL: url }],
    ] as const) {
      const { code: exit, stdout, stderr } = await run(environment, ...args);
      expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
      expect(stderr).toContain(
        `DATABASE_URL: ${name} should name a file that this process may read; ${file} cannot be read (${code})`,
      );
      expect(stderr).not.toMatch(/pass-phrase|\n\s+at /);
    }
  }
});

test("A command whose reader goes away (| head) shows no stack trace", { timeout: 180_000 }, async () => {
  const { environment } = await prepare();
  const watching = runCommand(["status", "--watch"], environment);
  const { stdout } = watching.process;
  if (stdout === null) throw new Error("no pipe");
  await once(stdout, "data");
  stdout.destroy();
  expect(await watching.exited).toBe(0);
  expect(watching.stderr()).toBe("");
});

test.runIf(existsSync("/dev/full"))(
  "A command whose output finds no space exits with 1 and a sentence",
  { timeout: 180_000 },
  () => {
    const full = openSync("/dev/full", "w");
    onTestFinished(() => {
      closeSync(full);
    });
    for (const args of [["--version"], ["migrate", "--print"]]) {
      const { status, stderr } = spawnSync(process.execPath, ["dist/cli.js", ...args], {
        stdio: ["ignore", full, "pipe"],
        encoding: "utf8",
      });
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: "The output cannot be written (ENOSPC).\nCheck the file that it goes to, and its disk.\n",
      });
    }
  },
);

test("A command that fails by a database error repeats no row", { timeout: 120_000 }, async () => {
  const { client, environment } = await prepare();
  await client.query(`create or replace function refuse() returns trigger language plpgsql as $$
    begin
      case substring(new.context_text from '[0-9]')
        when '1' then raise exception 'no vector for %', new.context_text using detail = new.context_text;
        when '2' then execute 'select ' || new.context_text;
        when '3' then raise exception 'no vector for %', new.context_text using errcode = 'insufficient_privilege';
        else raise exception 'no vector for %', new.context_text using errcode = 'query_canceled';
      end case;
    end $$;
    create trigger refuse before update of embedding on patient_embeddings for each row execute function refuse()`);
  try {
    const codes = ["P0001", "42703", "42501", "57014"];
    for (const [i, code] of codes.entries()) {
      await client.query("truncate patient_embeddings");
      await client.query("insert into patient_embeddings values (1, 'xylophonic' || $1::int)", [i + 1]);
      const failed = await run(environment, "backfill", "--per-row");
      expect(failed.code).toBe(1);
      expect(failed.stderr).toContain(`SQLSTATE ${code}`);
      expect(failed.stderr + failed.stdout).not.toContain("xylophonic");
    }
    await client.query("insert into patient_embeddings values (2, 'xylophonic', $1)", [
      JSON.stringify(Array(DIMENSIONS).fill(1)),
    ]);
    const asked = await run(environment, "search", "x", "--where", "context_text::regclass is not null");
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain("SQLSTATE 42");
    expect(asked.stderr).not.toContain("xylophonic");
  } finally {
    await client.query("drop trigger refuse on patient_embeddings");
  }
});
