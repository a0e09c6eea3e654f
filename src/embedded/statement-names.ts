import { frame, stringAt, typeOf } from "./frames.ts";

/**
 * All clients share the engine's one session, so a client's prepared statements get unique names there. The names are
 * numbered, not prefixed: Postgres cuts names at 63 bytes, which could make two long names equal.
 *
 * Portals keep their names: they end with the transaction, and until then one client has the engine alone.
 */
export class StatementNames {
  readonly #prefix: string;
  readonly #known = new Map<string, { readonly name: string; readonly parse: Buffer }>();
  #last = 0;

  constructor(connection: number) {
    this.#prefix = `c${connection}_`;
  }

  /** The message with the engine's names. */
  translate(message: Buffer): Buffer {
    switch (typeOf(message)) {
      case "P": {
        const name = stringAt(message, 5);
        if (name === "") return message;
        const own = this.#translated(name);
        const parse = frame("P", own, message.subarray(endOfString(message, 5)));
        this.#known.set(name, { name: own, parse });
        return parse;
      }
      case "B": {
        const at = endOfString(message, 5);
        const name = stringAt(message, at);
        if (name === "") return message;
        return frame(
          "B",
          message.subarray(5, at),
          this.#translated(name),
          message.subarray(endOfString(message, at)),
        );
      }
      case "D":
      case "C": {
        const name = stringAt(message, 6);
        if (name === "" || !describesStatement(message)) return message;
        const translated = frame(typeOf(message), Buffer.from("S"), this.#translated(name));
        if (typeOf(message) === "C") this.#known.delete(name);
        return translated;
      }
      default:
        return message;
    }
  }

  /** Messages that prepare all statements again, after another client has discarded them. */
  parses(): Buffer[] {
    return [...this.#known.values()].map(({ parse }) => parse);
  }

  /** Messages that close all statements, after the client has gone. */
  closes(): Buffer[] {
    return [...this.#known.values()].map(({ name }) => frame("C", Buffer.from("S"), name));
  }

  forgetAll(): void {
    this.#known.clear();
  }

  #translated(name: string): string {
    return this.#known.get(name)?.name ?? `${this.#prefix}${++this.#last}`;
  }
}

/** Whether the message binds or describes the unnamed statement. */
export function usesUnnamedStatement(message: Buffer): boolean {
  if (typeOf(message) === "B") return message[endOfString(message, 5)] === 0;
  return typeOf(message) === "D" && describesStatement(message) && message[6] === 0;
}

export function isUnnamedParse(message: Buffer): boolean {
  return typeOf(message) === "P" && message[5] === 0;
}

function describesStatement(message: Buffer): boolean {
  return message[5] === "S".charCodeAt(0);
}

function endOfString(bytes: Buffer, offset: number): number {
  return bytes.indexOf(0, offset) + 1;
}
