/**
 * Follows the first block of the README literally, in a fresh clone, in a terminal, with a person's keys: from a CSV of one's
 * own to a search of it, then a change under `npm start`. Prints how long each command took.
 *
 * `TEST_DATABASE_URL=postgres://… npx tsx test/docs/first-page.ts [--svg docs/first-page.svg]`: a server whose role may create
 * databases. What is committed is cloned; packages come from npm's cache where it has them. Needs git, psql and util-linux.
 * With --svg the run becomes the README's picture: what was typed and shown, in its order, with long waits cut short.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import { DEFAULT_BACKEND } from "../../src/providers/known-backends.ts";
import { terminalSvg, type Shown } from "./terminal-svg.ts";

const SERVER = process.env["TEST_DATABASE_URL"];
if (SERVER === undefined) throw new Error("TEST_DATABASE_URL is not set: see the head of this file.");
const CSV = `id,title,body
1,Resetting your password,"Choose ""Forgot password"" on the sign-in page; a link is sent to you."
2,Opening hours,"The office is open from nine to five, and closed on public holidays."
3,Refunds,"Money comes back within fourteen days, the way that you paid."
`;
const CTRL_C = "\u0003";
const PATIENCE_MS = 300_000;
const UPDATE = "update articles set body = 'The cafeteria serves soup at noon.' where id = 3";
const TITLE =
  "A terminal: a table is set up, embedded and searched; one of its rows is changed, and a search finds the new text.";
const { svg } = parseArgs({ options: { svg: { type: "string" } } }).values;

const folder = mkdtempSync(join(tmpdir(), "first-page-"));
const clone = join(folder, "pg-autoembed");
const name = svg === undefined ? `first_page_${String(process.pid)}` : "help_desk";
const database = new URL(SERVER);
database.pathname = `/${name}`;

/** The commands of the first block of shell, as they are written, without comments. */
function commandsOfReadme(): string[] {
  const [, block = ""] = /^```sh\n([^]*?)^```$/m.exec(readFileSync(join(clone, "README.md"), "utf8")) ?? [];
  return block.split("\n").flatMap((line) => line.replace(/\s+#.*/, "").trim() || []);
}

/** What was typed and shown, one command after the other. */
const shown: Shown[] = [];

let isRecording = true;

function record(text: string, isTyped = false): void {
  if (isRecording) shown.push({ at: performance.now() / 1000, text, isTyped });
}

interface Terminal {
  readonly screen: () => string;
  readonly type: (keys: string) => void;
  readonly until: (text: string) => Promise<void>;
  readonly ended: Promise<number | null>;
}

/** Runs a command in a pseudo-terminal, in the clone, with nothing set but where programs and the home folder are. */
function inTerminal(command: string): Terminal {
  const { PATH = "", HOME = "" } = process.env;
  const env = {
    PATH,
    HOME,
    TERM: "dumb",
    npm_config_prefer_offline: "true",
    npm_config_update_notifier: "false",
  };
  const child = spawn("/usr/bin/script", ["-qefc", `exec ${command}`, "/dev/null"], { cwd: clone, env });
  record(`$ ${command}\n`, true);
  let screen = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part: Buffer) => {
      screen += String(part);
      record(String(part));
    });
  const ended = once(child, "close").then(([code]) => code as number | null);
  const until = async (text: string): Promise<void> => {
    const limit = Date.now() + PATIENCE_MS;
    while (!screen.includes(text)) {
      if (child.exitCode !== null || Date.now() > limit)
        throw new Error(`"${text}" is not shown by ${command}:\n${screen}`);
      await delay(50);
    }
  };
  const type = (keys: string): void => {
    child.stdin.write(keys);
  };
  return { screen: () => screen, type, until, ended };
}

/** What a person types at each question of `init`. */
const ANSWERS = [
  ["to try things out): ", database.href],
  ["Which one? ", DEFAULT_BACKEND],
  ["Which table? ", "articles"],
  ["or an SQL expression) ", "title, body"],
  ["and watch it? (y/N) ", "y"],
] as const;

async function follow(command: string): Promise<string> {
  const terminal = inTerminal(command);
  if (command.startsWith("npm run init")) {
    for (const [question, answer] of ANSWERS) {
      await terminal.until(question);
      terminal.type(`${answer}\r`);
    }
  }
  if (command.startsWith("npm start")) {
    await terminal.until("listening for changes");
    await changeARow();
    // The picture ends with what was found.
    isRecording = false;
    terminal.type(CTRL_C);
  }
  const code = await terminal.ended;
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}:\n${terminal.screen()}`);
  return terminal.screen();
}

/** Updates a row in another terminal, waits until its vector is another one, and searches for it. */
async function changeARow(): Promise<void> {
  const client = new pg.Client(database.href);
  await client.connect();
  try {
    const vector = async (): Promise<unknown> =>
      (await client.query<{ embedding: string }>("select embedding from articles where id = 3")).rows[0]
        ?.embedding;
    const before = await vector();
    await follow(`psql ${database.href} -c "${UPDATE}"   # in another terminal`);
    const limit = Date.now() + PATIENCE_MS;
    while ((await vector()) === before) {
      if (Date.now() > limit) throw new Error("The vector of a changed row stays the same.");
      await delay(50);
    }
    findsFirst("3", await follow('npm run search -- "lunch" --source articles'));
  } finally {
    await client.end();
  }
}

function findsFirst(key: string, screen: string): void {
  if (!new RegExp(`distance[^\\n]*\\n\\s*${key}\\s`).test(screen))
    throw new Error(`Row ${key} is not first:\n${screen}`);
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client(SERVER);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

async function timed(words: string, work: () => Promise<unknown> | undefined): Promise<number> {
  const begun = performance.now();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${seconds.toFixed(1).padStart(7)} s  ${words}`);
  return seconds;
}

await onServer(`create database ${name}`);
try {
  execFileSync("git", ["clone", "--quiet", "--no-hardlinks", ".", clone]);
  writeFileSync(join(folder, "articles.csv"), CSV);
  let total = await timed("psql: a table of one's own, from a CSV", () => {
    const create = "create table articles (id bigint primary key, title text, body text)";
    const load = `\\copy articles from '${join(folder, "articles.csv")}' csv header`;
    execFileSync("psql", [database.href, "-q", "-c", create, "-c", load]);
    return undefined;
  });
  const commands = commandsOfReadme();
  let untilFound = 0;
  for (const command of commands) {
    let screen = "";
    total += await timed(command, async () => (screen = await follow(command)));
    if (!command.startsWith("npm run search")) continue;
    untilFound = total;
    findsFirst("1", screen);
  }
  const before = commands.findIndex((command) => command.startsWith("npm run search")) + 2;
  console.log(
    `${untilFound.toFixed(1).padStart(7)} s  in ${String(before)} commands, from a fresh clone to a search of one's own CSV`,
  );
  console.log(`${total.toFixed(1).padStart(7)} s  with a change under npm start, and its Ctrl-C`);
  if (svg !== undefined) writeFileSync(svg, terminalSvg(shown, TITLE));
} finally {
  rmSync(folder, { recursive: true, force: true });
  await onServer(`drop database ${name} with (force)`);
}
