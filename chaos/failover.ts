import { exec } from "node:child_process";
import { promisify } from "node:util";
import type { HalfOpenProxy } from "../test/support/half-open-proxy.ts";
import type { Tally } from "./tally.ts";

const run = promisify(exec);

/**
 * The server as its users know it: an address that leads to the primary. The commands are shell commands, as of
 * `.ci/native-postgres`: `restart` crashes and restarts the primary, `failover` makes a standby, lets it follow, crashes the
 * primary, promotes the standby and prints its URL.
 */
export class Primary {
  readonly #address: HalfOpenProxy;
  readonly #restart: string | undefined;
  readonly #failover: string | undefined;
  readonly #faults: Tally;
  #port: string | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(
    address: HalfOpenProxy,
    commands: { readonly restart: string | undefined; readonly failover: string | undefined },
    faults: Tally,
  ) {
    this.#address = address;
    this.#restart = commands.restart;
    this.#failover = commands.failover;
    this.#faults = faults;
  }

  async restart(): Promise<void> {
    await this.#alone(async () => {
      if (this.#restart === undefined) return;
      await run(this.#restart, { env: { ...process.env, ...this.#promoted() } });
      this.#faults.add("server crash-restarts");
    });
  }

  /** @returns whether there was a failover. What the standby had not received is lost. */
  async failOver(): Promise<boolean> {
    const command = this.#failover;
    if (command === undefined) return false;
    await this.#alone(async () => {
      const { stdout } = await run(command);
      const { hostname, port } = new URL(stdout.trim());
      this.#port = port;
      this.#address.leadTo({ host: hostname, port: Number(port) });
      this.#faults.add("failovers to a standby");
    });
    return true;
  }

  /** Where the commands find the primary once it is another server. */
  #promoted(): NodeJS.ProcessEnv {
    return this.#port === undefined ? {} : { NATIVE_POSTGRES_PORT: this.#port };
  }

  /** One command at a time: a standby cannot be made of a server that is restarting. */
  async #alone(command: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(command);
    await this.#last;
  }
}
