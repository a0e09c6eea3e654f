import { REMEMBERED_SETTINGS } from "../database/session-settings.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { frame } from "./frames.ts";

/** Settings that make the engine spin for ever when their time is up. */
const NEVER = [
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
  "statement_timeout",
];
const OWN =
  `select name, setting from pg_settings where source = 'session' and name not in (${NEVER.map(literal).join()})` +
  ` union all select 'role', current_setting('role') where current_setting('role') <> 'none'` +
  // Postgres lists no settings of names that it does not know.
  ` union all select name, current_setting(name, true) from unnest(array[${REMEMBERED_SETTINGS.map(literal).join()}]) name` +
  ` where current_setting(name, true) <> ''`;
const RESET = "reset all; reset role";

/**
 * Gives every client its own session settings in the engine's one session. Otherwise, a client's `set search_path` would
 * change the path of every client's queries. It costs nothing until a client changes a setting.
 */
export class SessionSettings {
  readonly #engine: Engine;
  #current: Connection | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Applies the settings of `next` to the session. Only between transactions. */
  async switchTo(next: Connection): Promise<void> {
    const previous = this.#current;
    if (previous === next) return;
    this.#current = next;
    if (previous?.changedSettings === true) {
      previous.settings = new Map(
        (await this.#engine.query(OWN)).map(([name = "", value = ""]) => [name, value]),
      );
      previous.changedSettings = false;
    }
    // Our own sessions are all alike: going from one to the next costs nothing.
    if (isSame(previous?.settings ?? NONE, next.settings)) return;
    if ((previous?.settings ?? NONE).size > 0) await this.#engine.run([frame("Q", RESET)]);
    if (next.settings.size > 0) {
      const calls = [...next.settings].map(
        ([name, value]) => `set_config(${literal(name)}, ${literal(value)}, false)`,
      );
      await this.#engine.run([frame("Q", `select ${calls.join(", ")}`)]);
    }
  }

  /** Removes the settings of a client that has gone. */
  async forget(connection: Connection): Promise<void> {
    if (this.#current !== connection) return;
    this.#current = undefined;
    if (connection.changedSettings || connection.settings.size > 0) {
      await this.#engine.run([frame("Q", RESET)]);
    }
  }
}

const NONE: Connection["settings"] = new Map();

function isSame(a: Connection["settings"], b: Connection["settings"]): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
