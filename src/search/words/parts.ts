/** What a text, or the words of one, is made of, where that is nothing but whole columns and literals. */
export interface Parts {
  /** Quoted, as Postgres prints them. */
  readonly columns: ReadonlySet<string>;
  /** Columns of which each makes the whole null where it is null. */
  readonly nulls: ReadonlySet<string>;
  /** Literals that have words. */
  readonly literals: ReadonlySet<string>;
  /** Text search configurations. */
  readonly configurations: ReadonlySet<string>;
}

const TOKEN = /\s*(E?'(?:[^']|'')*'|\|\||::|[(),.]|"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)/iy;
const NOTHING: Parts = {
  columns: new Set(),
  nulls: new Set(),
  literals: new Set(),
  configurations: new Set(),
};
/** They leave a text as it is. One with a length cuts it. */
const TEXT_TYPES = ["text", "character varying"];
const LITERAL_TYPES = [...TEXT_TYPES, "regconfig", "tsvector", '"char"'];

/**
 * The parts of an expression, as Postgres explains it over a table of some name. Undefined of every expression that has anything but
 * `||`, `coalesce` with a literal, `concat`, `concat_ws`, `to_tsvector`, `setweight`, and casts to a text: of it nobody knows
 * which words of a column it keeps. `strip` is left out too, since a phrase is not to be found without positions.
 */
export function partsOf(expression: string): Parts | undefined {
  const tokens: string[] = [];
  const token = new RegExp(TOKEN);
  while (token.lastIndex < expression.length) {
    const [, text] = token.exec(expression) ?? [];
    if (text === undefined) return undefined;
    tokens.push(text);
  }
  const reader = new Reader(tokens);
  const parts = reader.concatenated();
  return reader.isAtEnd ? parts : undefined;
}

/** Each method reads what it is named after, or returns undefined. */
class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  concatenated(): Parts | undefined {
    let all = this.#cast();
    while (all !== undefined && this.#take("||")) all = together(all, this.#cast());
    return all;
  }

  #cast(): Parts | undefined {
    const isLiteral = this.#literal !== undefined;
    const parts = this.#one();
    while (parts !== undefined && this.#take("::")) {
      const type = this.#take("character") ? `character ${this.#next()}` : this.#next();
      if (!(isLiteral ? LITERAL_TYPES : TEXT_TYPES).includes(type)) return undefined;
    }
    return parts;
  }

  #one(): Parts | undefined {
    const literal = this.#literal;
    const name = this.#next();
    if (literal !== undefined)
      return { ...NOTHING, literals: new Set(/[\p{L}\p{N}]/u.test(literal) ? [literal] : []) };
    if (name === "(") {
      const inner = this.concatenated();
      return this.#take(")") ? inner : undefined;
    }
    if (this.#take("(")) return this.#call(name);
    if (!this.#take(".")) return undefined;
    const column = new Set([this.#next()]);
    return { ...NOTHING, columns: column, nulls: column };
  }

  #call(name: string): Parts | undefined {
    const first = this.#literal;
    const given: (Parts | undefined)[] = [];
    const isLast: boolean[] = [];
    do {
      isLast.push(this.#literal !== undefined);
      given.push(this.concatenated());
    } while (this.#take(","));
    const [one, two, ...more] = given;
    if (!this.#take(")") || one === undefined) return undefined;
    const isOfTwo = two !== undefined && more.length === 0;
    switch (name) {
      case "to_tsvector":
        return isOfTwo && first !== undefined ? { ...two, configurations: new Set([first]) } : undefined;
      case "setweight":
        return isOfTwo && isLast[1] === true ? one : undefined;
      case "COALESCE":
        if (!isOfTwo || isLast[1] !== true) return undefined;
        // Of several columns, one that is null takes away the words of the others.
        return one.columns.size > 1 ? together(one, two) : notNull(together(one, two));
      case "concat":
        return notNull(given.slice(1).reduce(together, one));
      case "concat_ws":
        return first === undefined ? undefined : notNull(given.slice(1).reduce(together, one));
      default:
        return undefined;
    }
  }

  get #literal(): string | undefined {
    const token = this.#tokens[this.#at];
    return token?.endsWith("'") === true ? token : undefined;
  }

  #take(token: string): boolean {
    const isNext = this.#tokens[this.#at] === token;
    if (isNext) this.#at += 1;
    return isNext;
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? "";
  }
}

function together(a: Parts | undefined, b: Parts | undefined): Parts | undefined {
  if (a === undefined || b === undefined) return undefined;
  return {
    columns: new Set([...a.columns, ...b.columns]),
    nulls: new Set([...a.nulls, ...b.nulls]),
    literals: new Set([...a.literals, ...b.literals]),
    configurations: new Set([...a.configurations, ...b.configurations]),
  };
}

function notNull(parts: Parts | undefined): Parts | undefined {
  return parts === undefined ? undefined : { ...parts, nulls: new Set() };
}
