import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { clientOf } from "../database/client-of.ts";
import { connectionProblem } from "../database/connection-problem.ts";
import type { Config } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { directUrl, hasOwnSessions } from "../database/pools.ts";
import { SetupError } from "../errors.ts";
import { invocation } from "../invocation.ts";
import { isAlive } from "../membership/alive.ts";
import { listenerStatus } from "../status/collect-status.ts";
import { VERSION } from "../version.ts";
import { ok, problem, warning, type Finding } from "./finding.ts";
import { READ_ONLY_SQL_TRANSACTION } from "../sqlstate.ts";

const ARRIVES_WITHIN_MS = 3_000;

/** Checks whether a notification arrives (a transaction pooler would swallow it) and whether a listener is running. */
export async function examineListening(
  db: Database,
  config: Config & { readonly DATABASE_URL: string },
): Promise<Finding[]> {
  const arrived = await notificationArrives(directUrl(config), config.DATABASE_URL);
  const listeners = (await listenerStatus(db)).filter(({ silent_seconds: silent }) => isAlive(silent));
  const versions = new Set([VERSION, ...listeners.map(({ version }) => version)]);
  return [
    describeArrival(arrived, hasOwnSessions(config)),
    listeners.length === 0
      ? warning("No listener is running, so nothing is embedded.", invocation("start"))
      : ok(`${listeners.length} ${listeners.length === 1 ? "listener is" : "listeners are"} running`),
    ...(versions.size > 1
      ? [
          warning(
            `Several versions run at the same time: ${[...versions].join(", ")}.`,
            "This is fine during an upgrade. Finish the upgrade.",
          ),
        ]
      : []),
  ];
}

function describeArrival(arrived: boolean | string | SetupError, ownSessions: boolean): Finding {
  if (arrived === true) return ok("A notification arrives");
  if (arrived instanceof SetupError) return problem(arrived.message, arrived.remedy);
  const remedy =
    arrived === READ_ONLY_SQL_TRANSACTION
      ? "It is a standby, on which nobody can listen: name the primary."
      : ownSessions
        ? "DATABASE_URL seems to go through a transaction pooler: set LISTEN_DATABASE_URL to a direct connection. Until then only the poll (EMBED_POLL_MS) finds changes."
        : "Set LISTEN_DATABASE_URL to a direct connection to the same database.";
  return problem(`A notification does not arrive${arrived === false ? "" : ` (${arrived})`}.`, remedy);
}

/** @returns whether it arrived; the error's code where LISTEN or NOTIFY failed, what is wrong where nothing could be opened */
async function notificationArrives(
  listenUrl: string,
  notifyUrl: string,
): Promise<boolean | string | SetupError> {
  const channel = `embedding_doctor_${randomBytes(6).toString("hex")}`;
  const listening = new (clientOf(listenUrl))({
    connectionString: listenUrl,
    connectionTimeoutMillis: ARRIVES_WITHIN_MS,
  });
  const notifying = new (clientOf(notifyUrl))({
    connectionString: notifyUrl,
    connectionTimeoutMillis: ARRIVES_WITHIN_MS,
  });
  for (const client of [listening, notifying]) client.on("error", () => undefined);
  try {
    const opened = Promise.all([listening.connect(), notifying.connect()]);
    const refused = await opened.then(() => undefined, connectionProblem);
    if (refused !== undefined) return refused;
    const notified = once(listening, "notification", { signal: AbortSignal.timeout(ARRIVES_WITHIN_MS) }).then(
      () => true,
      () => false,
    );
    await listening.query(`listen ${channel}`);
    await notifying.query(`notify ${channel}`);
    return await notified;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "no connection";
  } finally {
    await Promise.all([listening.end(), notifying.end()].map((end) => end.catch(() => undefined)));
  }
}
