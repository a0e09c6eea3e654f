import { readFile } from "node:fs/promises";
import { printedSecret } from "../database/printed-secret.ts";
import { SetupError } from "../errors.ts";
import { ProviderError } from "./provider-error.ts";

/** Where a token is that does not stay valid: in a file that something else writes, or printed by a command. */
export interface TokenSource {
  /** The setting that names it. */
  readonly name: string;
  readonly file?: string | undefined;
  readonly command?: string | undefined;
}

/** A token that is kept until the service refuses it, and is then read again. Nothing of it is ever printed. */
export class ExpiringToken {
  readonly #source: TokenSource;
  #token: string | undefined;
  #reading: Promise<string> | undefined;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  /**
   * Sends a request with the token as it was read last, and once more where it is refused and there is another by then.
   * @param stopping aborted when nothing more may be sent
   */
  async send<T>(request: (token: string) => Promise<T>, stopping?: AbortSignal): Promise<T> {
    const token = await this.#current();
    stopping?.throwIfAborted();
    try {
      return await request(token);
    } catch (error) {
      const next = isRefused(error) ? await this.#after(token) : undefined;
      if (next === undefined || stopping?.aborted === true) throw error;
      return await request(next);
    }
  }

  /** The token as it was read last. @throws {ProviderError} `setup`: there is none */
  async #current(): Promise<string> {
    return this.#token ?? (await this.#readOnce());
  }

  /** The token after one that was refused; undefined where it is still the same. @throws {ProviderError} `setup` */
  async #after(refused: string): Promise<string | undefined> {
    // Another request may have been refused with it before, and have read the next.
    const token = this.#token === refused ? await this.#readOnce() : await this.#current();
    return token === refused ? undefined : token;
  }

  /** Requests that want it at the same time share one reading. */
  async #readOnce(): Promise<string> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    this.#token = await this.#reading;
    return this.#token;
  }

  async #read(): Promise<string> {
    const { name, file, command } = this.#source;
    const printed = command === undefined ? await contentOf(name, file ?? "") : await outputOf(name, command);
    const token = printed.trim();
    if (/^[\x21-\x7e]+$/.test(token)) return token;
    throw new ProviderError(
      "setup",
      `${name} gives no token: expected one word without blanks, and got ${token === "" ? "nothing" : "something else, which is not repeated here"}.`,
    );
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof ProviderError && (error.status === 401 || error.status === 403);
}

async function contentOf(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new ProviderError("setup", `${name}: cannot read ${file} (${code}).`);
  }
}

async function outputOf(name: string, command: string): Promise<string> {
  try {
    return await printedSecret(name, command);
  } catch (error) {
    throw error instanceof SetupError
      ? new ProviderError("setup", `${error.message} ${error.remedy}`)
      : error;
  }
}
