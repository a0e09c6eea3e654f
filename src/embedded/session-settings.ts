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
  ` union all select 'role', current_setting('role') where current_setting('role') <> 'none'`;

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
      previous.changedSettings = previous.settings.size > 0;
      await this.#engine.run([frame("Q", "reset all; reset role")]);
    }
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
    if (connection.changedSettings) await this.#engine.run([frame("Q", "reset all; reset role")]);
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
