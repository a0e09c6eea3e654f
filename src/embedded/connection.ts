import type { Socket } from "node:net";
import { FrameReader, errorResponse, frame, int32, stringAt, typeOf } from "./frames.ts";
import { type CopyIn, copiesFromStdin, mentionsStdin } from "./sql-text.ts";
import { StatementNames } from "./statement-names.ts";

/** Messages that run together, without another client's messages between them. */
export interface Turn {
  readonly messages: Buffer[];
  /** Whether Postgres answers the last of them with ReadyForQuery (all but Flush). */
  readonly untilReady: boolean;
}

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
/** A client with this much waiting to run is not read from. */
const ENOUGH_AHEAD_BYTES = 4 * 1024 * 1024;
/**
 * In a COPY, Postgres answers this message with an error; elsewhere it ignores it. Without it, a COPY without data would
 * end the engine.
 */
const NO_DATA = frame("f", "COPY FROM STDIN works here as a simple query only");

/**
 * One client. It cuts the client's bytes into turns.
 *
 *   starting ──startup packet──▶ ready ◀──CopyDone, CopyFail── copying
 *                                  └────copy … from stdin─────────▲
 */
export class Connection {
  readonly id: number;
  readonly socket: Socket;
  readonly names: StatementNames;
  readonly channels = new Set<string>();
  /** The session settings that this client changed, kept while another client has the engine. */
  settings: ReadonlyMap<string, string> = new Map();
  changedSettings = false;
  /** The client's last unnamed statement. */
  unnamedParse: Buffer | undefined;
  /** The client has asked to disconnect. What it requested before still runs. */
  leaving = false;
  gone = false;
  /** Whether the socket's buffer is full. */
  congested = false;

  readonly #onStartup: () => void;
  readonly #reader = new FrameReader();
  #state: "starting" | "ready" | "copying" = "starting";
  #group: Buffer[] = [];
  #copies: CopyIn[] = [];
  #turns: Turn[] = [];
  #waitingBytes = 0;

  /** @param onStartup called after the client's startup packet */
  constructor(id: number, socket: Socket, onStartup: () => void) {
    this.id = id;
    this.socket = socket;
    this.#onStartup = onStartup;
    this.names = new StatementNames(id);
  }

  get hasTurn(): boolean {
    return this.#turns.length > 0;
  }

  takeTurn(): Turn | undefined {
    const turn = this.#turns.shift();
    for (const message of turn?.messages ?? []) this.#waitingBytes -= message.length;
    if (this.#waitingBytes < ENOUGH_AHEAD_BYTES) this.socket.resume();
    return turn;
  }

  get canRun(): boolean {
    return this.hasTurn && !this.congested;
  }

  send(frames: readonly Buffer[]): void {
    if (this.gone) return;
    this.socket.cork();
    for (const bytes of frames) this.congested = !this.socket.write(bytes);
    this.socket.uncork();
  }

  /** The client sends nothing more: the socket is closed after everything that it requested has run. */
  leave(): void {
    this.leaving = true;
    this.leaveIfAsked();
  }

  leaveIfAsked(): void {
    if (this.leaving && !this.hasTurn) this.socket.end();
  }

  /** Accepts bytes from the client. */
  receive(chunk: Buffer): void {
    this.#reader.push(chunk);
    try {
      for (
        let message;
        !this.gone && !this.leaving && (message = this.#reader.next(this.#state !== "starting"));
      ) {
        if (this.#state === "starting") this.#startUp(message);
        else this.#accept(message);
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#refuse(error.message);
    }
    this.leaveIfAsked();
    if (this.#waitingBytes > ENOUGH_AHEAD_BYTES && this.hasTurn) this.socket.pause();
  }

  #startUp(packet: Buffer): void {
    const code = packet.length < 8 ? 0 : packet.readInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) this.send([Buffer.from("N")]);
    else if (code === CANCEL_REQUEST) this.leaving = true;
    else if (code >> 16 !== 3) this.#refuse("unsupported frontend protocol");
    else {
      // Later minor versions of the protocol request options that we do not have: we speak protocol 3.0.
      if ((code & 0xffff) > 0) this.send([frame("v", int32(3 << 16), int32(0))]);
      this.#state = "ready";
      this.#onStartup();
    }
  }

  #accept(message: Buffer): void {
    const type = typeOf(message);
    if (this.#state === "copying") this.#acceptCopy(type, message);
    else if (type === "X") this.leaving = true;
    else if (type === "Q") this.#acceptQuery(message);
    else if (type === "F") this.#queueTurn([message], true);
    else if ("PBDEC".includes(type)) {
      this.#group.push(message);
      if (type === "E") this.#group.push(NO_DATA);
    } else if (type === "S" || type === "H") {
      this.#queueTurn([...this.#group, message], type === "S");
      this.#group = [];
    } else if (!"dcf".includes(type)) this.#refuse(`invalid frontend message type ${type.charCodeAt(0)}`);
  }

  #acceptQuery(message: Buffer): void {
    const text = stringAt(message, 5);
    this.#copies = copiesFromStdin(text);
    if (this.#copies.length > 0) {
      this.#state = "copying";
      this.#group = [message];
      this.#askForData();
    } else this.#queueTurn(mentionsStdin(text) ? [message, NO_DATA] : [message], true);
  }

  /** Collects all of a COPY's data first: Postgres would read it from the socket in the middle of the COPY. */
  #acceptCopy(type: string, message: Buffer): void {
    if (type === "S" || type === "H") return;
    this.#group.push("dcf".includes(type) ? message : NO_DATA);
    if (type === "d") return;
    if (type === "c" && this.#copies.length > 0) {
      this.#askForData();
      return;
    }
    this.#state = "ready";
    this.#queueTurn([...this.#group, NO_DATA], true);
    this.#group = [];
    if (type !== "c" && type !== "f") this.#accept(message);
  }

  #askForData(): void {
    const copy = this.#copies.shift();
    this.send([frame("G", Buffer.from([copy?.binary === true ? 1 : 0, 0, 0]))]);
  }

  #queueTurn(messages: Buffer[], untilReady: boolean): void {
    this.#turns.push({ messages, untilReady });
    for (const message of messages) this.#waitingBytes += message.length;
  }

  #refuse(message: string): void {
    this.send([errorResponse({ severity: "FATAL", code: "08P01", message })]);
    this.leaving = true;
    this.#turns = [];
  }
}
