import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { freePort } from "./free-port.ts";

const BINARY = ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"].find(
  existsSync,
);

/** Why a real pooler cannot be tested here; undefined if it can. */
export const noPgBouncer =
  BINARY === undefined
    ? "needs PgBouncer, which is not installed (Debian: apt install pgbouncer)"
    : undefined;

/** Root may not run it: the id of Debian's `nobody`. */
const NOBODY = 65_534;

export interface PgBouncer {
  /** The database of the given URL, through the pooler. */
  readonly url: string;
  /** From now on it takes this password alone; only if it was started with one. */
  setPassword(password: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * A real PgBouncer in transaction mode before the server of a URL.
 * @param settings further lines of its configuration, such as `ignore_startup_parameters`
 */
export async function startPgBouncer(
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
  password?: string,
): Promise<PgBouncer> {
  if (BINARY === undefined) throw new Error(noPgBouncer);
  const target = new URL(databaseUrl);
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "pgbouncer-"));
  const file = join(folder, "pgbouncer.ini");
  const lines = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    ...(password === undefined
      ? { auth_type: "any" }
      : { auth_type: "md5", auth_file: join(folder, "users") }),
    pool_mode: "transaction",
    default_pool_size: "8",
    max_client_conn: "200",
    ...settings,
  };
  const user = decodeURIComponent(target.username);
  const own = target.password === "" ? "" : ` password=${decodeURIComponent(target.password)}`;
  const writeUsers = (taken: string) => writeFile(join(folder, "users"), `"${user}" "${taken}"\n`);
  if (password !== undefined) await writeUsers(password);
  await writeFile(
    file,
    `[databases]\n* = host=${target.hostname} port=${target.port} user=${user}${own}\n\n[pgbouncer]\n` +
      Object.entries(lines)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(""),
  );
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    await chmod(folder, 0o700);
    await Promise.all(
      [folder, file, ...(password === undefined ? [] : [join(folder, "users")])].map((path) =>
        chown(path, NOBODY, NOBODY),
      ),
    );
  }
  const pooler = spawn(BINARY, [file], {
    stdio: ["ignore", "ignore", "pipe"],
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  let log = "";
  pooler.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(pooler, "exit");
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  const isUp = new URL(url);
  if (password !== undefined) isUp.password = password;
  const close = async (): Promise<void> => {
    if (pooler.exitCode === null) pooler.kill("SIGTERM");
    // The second one ends it at once, with clients still connected.
    if (pooler.exitCode === null) pooler.kill("SIGQUIT");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; !(await answers(isUp.href)); tries++) {
    if (pooler.exitCode !== null || tries > 100) {
      await close();
      throw new Error(`PgBouncer did not start: ${log}`);
    }
    await delay(50);
  }
  const setPassword = async (next: string): Promise<void> => {
    await writeUsers(next);
    pooler.kill("SIGHUP");
    isUp.password = next;
    while (!(await answers(isUp.href))) await delay(50);
  };
  return { url: url.href, setPassword, close };
}

async function answers(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
