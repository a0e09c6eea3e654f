import { UsageError } from "../errors.ts";

/** What `init` is to write into `.env`, as it comes together. */
export class NewSettings {
  readonly #inFile: Readonly<Record<string, string>>;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #chosen: Record<string, string> = {};

  /** @param inFile what `.env` has; `environment` has that too, where nothing else set it before */
  constructor(
    inFile: Readonly<Record<string, string>>,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#inFile = inFile;
    this.#environment = environment;
  }

  /** The value that is chosen, or was there before; undefined if it is empty or there is none. */
  get(name: string): string | undefined {
    const value = this.#chosen[name] ?? this.#environment[name];
    return value === "" ? undefined : value;
  }

  /**
   * Chooses a value. Another one that `.env` has is replaced only if the person agrees.
   * @throws {UsageError} if the setting has another value, which stays
   */
  async choose(name: string, value: string, agrees: (name: string) => Promise<boolean>): Promise<void> {
    const before = this.#environment[name] ?? "";
    if (before === value) return;
    if (before !== "" && this.#inFile[name] !== before) {
      throw new UsageError(
        `${name} is set in the environment to another value, which goes before .env.`,
        `Unset it, or leave it as it is.`,
      );
    }
    if (before !== "" && !(await agrees(name))) {
      throw new UsageError(
        `${name} has another value in .env, which stays.`,
        "Change it there, and run this again.",
      );
    }
    this.#chosen[name] = value;
  }

  /** What is to be written; empty if all of it is there. */
  get chosen(): Readonly<Record<string, string>> {
    return this.#chosen;
  }

  /** The environment as it will be. */
  get environment(): Readonly<Record<string, string | undefined>> {
    return { ...this.#environment, ...this.#chosen };
  }
}
