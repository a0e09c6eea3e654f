/**
 * Runs the steps of the Dockerfile in empty folders, without Docker: each COPY, each RUN with npm, then ENTRYPOINT, CMD and
 * HEALTHCHECK as another user (if this one is root). A file that is not copied is missed here as it would be in the image.
 * `npx tsx test/docs/emulate-dockerfile.ts`, which takes a minute; packages come from npm's cache where it has them.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { isSent, readCopy, readStages, type Stage } from "../support/dockerfile.ts";

const isRoot = process.getuid?.() === 0;
/** Nobody, who has rights on nothing. */
const OTHER_USER = 65_534;
const folder = mkdtempSync(join(tmpdir(), "dockerfile-"));
const begun = performance.now();

function say(words: string): void {
  console.log(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${words}`);
}

interface Built {
  readonly root: string;
  readonly workingFolder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly commands: Readonly<Record<string, readonly string[]>>;
}

/** Carries out a stage in a folder of its own, which stands for `/`. */
function build({ name: stageName, instructions }: Stage): Built {
  const root = join(folder, stageName === "" ? "image" : stageName);
  mkdirSync(root);
  chmodSync(root, 0o755);
  let workingFolder = root;
  const environment: Record<string, string> = {};
  const commands: Record<string, readonly string[]> = {};
  for (const { name, text } of instructions) {
    say(`${name} ${text.slice(0, 90)}`);
    switch (name) {
      case "WORKDIR":
        workingFolder = join(root, text);
        mkdirSync(workingFolder, { recursive: true });
        break;
      case "ENV":
        for (const [, key = "", value = ""] of text.matchAll(/(\w+)=(\S+)/g))
          environment[key] = value.startsWith("/") ? join(root, value) : value;
        break;
      case "COPY":
        copy(text, workingFolder);
        break;
      case "RUN":
        run(text, root, workingFolder);
        break;
      case "ENTRYPOINT":
      case "CMD":
        commands[name] = JSON.parse(text) as string[];
        break;
      case "HEALTHCHECK":
        commands[name] = JSON.parse(text.replace(/.*? CMD /, "")) as string[];
        break;
      case "USER":
      case "VOLUME":
        break;
      default:
        throw new Error(`${name} is not emulated yet`);
    }
  }
  return { root, workingFolder, environment, commands };
}

function copy(text: string, workingFolder: string): void {
  const { from, sources, target } = readCopy(text);
  for (const source of sources) {
    const to = join(
      workingFolder,
      target,
      sources.length > 1 || target.endsWith("/") ? basename(source) : "",
    );
    if (from === undefined && !isSent(source)) throw new Error(`.dockerignore keeps ${source} back`);
    cpSync(from === undefined ? source : join(folder, from, source), to, {
      recursive: true,
      verbatimSymlinks: true,
    });
  }
}

function run(text: string, root: string, workingFolder: string): void {
  const script = text
    .replaceAll(/(?<=\s)\/(?=\w)/g, `${root}/`)
    .replaceAll(/chown \S+/g, isRoot ? `chown ${String(OTHER_USER)}` : "true");
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, npm_config_prefer_offline: "true", npm_config_update_notifier: "false" };
  execFileSync("sh", ["-ec", script], { cwd: workingFolder, env, stdio: ["ignore", "ignore", "inherit"] });
}

async function start({ root, workingFolder, environment, commands }: Built): Promise<void> {
  const port = String(await freePort());
  const { ENTRYPOINT = [], CMD = [], HEALTHCHECK = [] } = commands;
  const options = {
    cwd: workingFolder,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: root,
      ...environment,
      EMBED_PORT: "0",
      EMBED_HTTP_PORT: port,
    },
    ...(isRoot ? { uid: OTHER_USER, gid: OTHER_USER } : {}),
  };
  const [program = "", ...args] = [...ENTRYPOINT, ...CMD];
  const listener = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [listener.stdout, listener.stderr])
    stream.on("data", (part: Buffer) => (output += String(part)));
  const ended = once(listener, "close");
  const isHealthy = async (): Promise<boolean> => {
    const [check = "", ...how] = HEALTHCHECK;
    const [code] = (await once(spawn(check, how, { ...options, stdio: "ignore" }), "close")) as [
      number | null,
    ];
    return code === 0;
  };
  const until = Date.now() + 180_000;
  while (!(await isHealthy())) {
    if (listener.exitCode !== null || Date.now() > until) throw new Error(`It does not start:\n${output}`);
    await delay(500);
  }
  say(`${[program, ...args].join(" ")} is healthy, as ${isRoot ? "another user" : "this user"}`);
  listener.kill("SIGTERM");
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`SIGTERM ended it with exit code ${String(code)}:\n${output}`);
  say("SIGTERM ended it with exit code 0");
}

try {
  chmodSync(folder, 0o755);
  const image = readStages().map(build).at(-1);
  if (image === undefined) throw new Error("The Dockerfile has no stage.");
  await start(image);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
