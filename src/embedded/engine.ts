import { PGlite, type PGliteOptions } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { frame, framesOf, int32, typeOf } from "./frames.ts";

export type CompiledPostgres = NonNullable<PGliteOptions["pgliteWasmModule"]>;

export interface EngineOptions {
  /** undefined: in memory */
  readonly dataDirectory: string | undefined;
  /** A tar of a data folder, for a new database only. */
  readonly snapshot: Uint8Array | undefined;
  /** Postgres compiled, shared between the engines of one process. */
  readonly wasm: CompiledPostgres;
}

/** Postgres' defaults take 343 MB, these 193 MB. WAL is kept short because only our timer makes checkpoints. */
const SETTINGS = {
  shared_buffers: "16MB",
  max_wal_size: "64MB",
  min_wal_size: "32MB",
  // The mode that our own sessions request (src/database). Clients' startup options do not reach this one session.
  plan_cache_mode: "force_custom_plan",
};

/** Larger answers must be fetched in parts: an answer is complete in memory before its first byte is sent. */
const LARGEST_ANSWER_BYTES = 1024 ** 3;

/** The engine stopped answering, as it does after an endless recursion. Its memory can no longer be trusted. */
export class EngineFailure extends Error {}
export class AnswerTooLarge extends Error {
  constructor() {
    super("the result is larger than 1 GiB; fetch it in parts, with a cursor or with limit");
  }
}

/** One Postgres session, driven by wire messages. */
export class Engine {
  readonly #options: EngineOptions;
  #pglite: PGlite;

  private constructor(options: EngineOptions, pglite: PGlite) {
    this.#options = options;
    this.#pglite = pglite;
  }

  static async open(options: EngineOptions): Promise<Engine> {
    return new Engine(options, await openPGlite(options, options.snapshot && new Blob([options.snapshot])));
  }

  /** The messages that greet a new client: AuthenticationOk and every ParameterStatus. */
  async greeting(): Promise<Buffer> {
    const body = Buffer.concat([int32(3 << 16), Buffer.from("user\0postgres\0database\0postgres\0\0")]);
    const answer = await this.#pglite.execProtocolRaw(Buffer.concat([int32(body.length + 4), body]));
    return Buffer.concat([...framesOf(Buffer.from(answer))].filter((part) => "RS".includes(typeOf(part))));
  }

  /**
   * Runs complete messages and returns Postgres' whole answer.
   * @param untilReady whether Postgres answers the last message with ReadyForQuery
   * @throws {EngineFailure} if ReadyForQuery is missing: the engine must be reopened
   * @throws {AnswerTooLarge} if the messages ran, but the answer is lost
   */
  async run(messages: readonly Buffer[], untilReady = true): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    await this.#pglite.execProtocolRawStream(
      messages.length === 1 && messages[0] ? messages[0] : Buffer.concat(messages),
      {
        syncToFs: false,
        onRawData: (data) => {
          bytes += data.length;
          if (bytes <= LARGEST_ANSWER_BYTES) chunks.push(Buffer.from(data));
          else chunks.length = 0;
        },
      },
    );
    if (bytes > LARGEST_ANSWER_BYTES) throw new AnswerTooLarge();
    const answer = Buffer.concat(chunks);
    if (untilReady && !endsReady(answer)) throw new EngineFailure();
    return answer;
  }

  /** Rows of a query as text. Only between transactions. */
  async query(sql: string): Promise<string[][]> {
    const answer = await this.run([frame("Q", sql)]);
    return [...framesOf(answer)].filter((part) => typeOf(part) === "D").map(textsOf);
  }

  /** A tar of the data folder, which a new engine starts from. Only between transactions. */
  async snapshot(): Promise<Uint8Array> {
    await this.query("checkpoint");
    return tarOf(this.#pglite);
  }

  /** Starts Postgres again. It recovers from its log, as after a crash: committed data stays. */
  async reopen(): Promise<void> {
    const old = this.#pglite;
    const inMemory = this.#options.dataDirectory === undefined;
    this.#pglite = await openPGlite(this.#options, inMemory ? new Blob([await tarOf(old)]) : undefined);
  }

  async close(): Promise<void> {
    await this.#pglite.close();
  }
}

/** Whether ReadyForQuery is the last frame: 6 bytes, the last of which is the transaction's status. */
function endsReady(answer: Buffer): boolean {
  return (
    answer.length >= 6 && answer.toString("latin1", answer.length - 6, answer.length - 1) === "Z\0\0\0\x05"
  );
}

async function openPGlite(options: EngineOptions, loadDataDir: Blob | undefined): Promise<PGlite> {
  const log: string[] = [];
  try {
    return await PGlite.create({
      ...(options.dataDirectory !== undefined && { dataDir: options.dataDirectory }),
      ...(loadDataDir && { loadDataDir }),
      extensions: { vector },
      pgliteWasmModule: options.wasm,
      startParams: [
        ...PGlite.defaultStartParams,
        ...Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      ],
      onStderr: (line) => log.push(line) > 0,
    });
  } catch (error) {
    const reasons = log.filter((line) => /FATAL|PANIC|HINT|DETAIL/.test(line)).join("\n");
    throw new Error(`The embedded Postgres did not start. ${reasons}`.trim(), { cause: error });
  }
}

async function tarOf(pglite: PGlite): Promise<Uint8Array> {
  return new Uint8Array(await (await pglite.dumpDataDir("none")).arrayBuffer());
}

function textsOf(dataRow: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 7; at < dataRow.length;) {
    const length = dataRow.readInt32BE(at);
    texts.push(length < 0 ? "" : dataRow.toString("utf8", at + 4, at + 4 + length));
    at += 4 + Math.max(length, 0);
  }
  return texts;
}
