import { type Answer, type Notification, sortAnswer } from "./answer.ts";
import type { Connection } from "./connection.ts";
import { AnswerTooLarge, type Engine } from "./engine.ts";
import { errorResponse, frame, stringAt, typeOf } from "./frames.ts";
import { SessionSettings } from "./session-settings.ts";
import { channelChanges, quoted } from "./sql-text.ts";
import { isUnnamedParse, usesUnnamedStatement } from "./statement-names.ts";

const SYNC = frame("S");
/** Fails, which undoes what an Execute before its Sync has done. */
const FAIL = frame("P", "", "?", Buffer.alloc(2));

/** The engine's one session, made to look like a session of its own to every client. */
export class SharedSession {
  readonly #engine: Engine;
  readonly #connections: ReadonlySet<Connection>;
  readonly #settings: SessionSettings;
  /** Whose statement the unnamed one is. */
  #unnamedOf: Connection | undefined;
  /** A client threw away what is the session's: the others' statements and channels. */
  #thrownAwayBy: Connection | undefined;

  /** @param connections all clients, kept up to date by the caller */
  constructor(engine: Engine, connections: ReadonlySet<Connection>) {
    this.#engine = engine;
    this.#connections = connections;
    this.#settings = new SessionSettings(engine);
  }

  /**
   * Runs a client's next turn and sends it the answer.
   * @returns whether the client has to keep the engine: it is in a transaction, or before its Sync
   */
  async runTurn(connection: Connection): Promise<boolean> {
    const turn = connection.takeTurn();
    if (!turn) return false;
    await this.#settings.switchTo(connection);
    await this.#bringBackUnnamed(connection, turn.messages);
    const messages = turn.messages.map((message) => connection.names.translate(message));
    try {
      const answer = sortAnswer(await this.#engine.run(messages, turn.untilReady));
      this.#note(connection, turn.messages, answer);
      connection.send(answer.forClient);
      this.#notify(answer.notifications);
      if (answer.status === "I") await this.#giveBackToOthers();
      return answer.status !== "I";
    } catch (error) {
      if (!(error instanceof AnswerTooLarge)) throw error;
      connection.send([errorResponse({ severity: "ERROR", code: "54000", message: error.message })]);
      if (!turn.untilReady) return true;
      const answer = sortAnswer(await this.#engine.run([SYNC]));
      connection.send(answer.forClient);
      return answer.status !== "I";
    }
  }

  /** Rolls back and forgets what a client left in the session. */
  async cleanUp(connection: Connection, inTurn: boolean): Promise<void> {
    if (inTurn) await this.#engine.run([FAIL, SYNC, frame("Q", "rollback")]);
    if (this.#unnamedOf === connection) this.#unnamedOf = undefined;
    await this.#settings.forget(connection);
    if (this.#connections.size === 0) {
      await this.#engine.run([frame("Q", "discard all")]);
      return;
    }
    const closes = connection.names.closes();
    if (closes.length > 0) await this.#engine.run([...closes, SYNC]);
    const orphans = [...connection.channels].filter((channel) => !this.#isListenedTo(channel));
    if (orphans.length > 0) {
      await this.#engine.run(orphans.map((channel) => frame("Q", `unlisten ${quoted(channel)}`)));
    }
  }

  /** Another client may have replaced the unnamed statement that this one binds. */
  async #bringBackUnnamed(connection: Connection, messages: readonly Buffer[]): Promise<void> {
    const replaces = messages.findIndex((message) => isUnnamedParse(message) || typeOf(message) === "Q");
    const uses = messages.findIndex(usesUnnamedStatement);
    if (
      connection.unnamedParse &&
      uses >= 0 &&
      (replaces < 0 || uses < replaces) &&
      this.#unnamedOf !== connection
    ) {
      await this.#engine.run([connection.unnamedParse], false);
      this.#unnamedOf = connection;
    }
    const last = messages.findLast((message) => isUnnamedParse(message) || typeOf(message) === "Q");
    if (!last) return;
    connection.unnamedParse = typeOf(last) === "P" ? last : undefined;
    this.#unnamedOf = connection.unnamedParse && connection;
  }

  #note(connection: Connection, messages: readonly Buffer[], { tags }: Answer): void {
    const texts = messages.flatMap((message) => textOf(message) ?? []);
    for (const { channel, listens } of texts.flatMap(channelChanges)) {
      if (channel === undefined) connection.channels.clear();
      else if (listens) connection.channels.add(channel);
      else connection.channels.delete(channel);
      if (!listens) this.#thrownAwayBy = connection;
    }
    if (tags.has("DISCARD ALL") || tags.has("DEALLOCATE ALL")) {
      connection.names.forgetAll();
      this.#thrownAwayBy = connection;
    }
    const sets = tags.has("SET") || tags.has("RESET") || tags.has("DISCARD ALL");
    if (sets || texts.some((text) => /\bset_config\b/i.test(text))) connection.changedSettings = true;
  }

  async #giveBackToOthers(): Promise<void> {
    const thrower = this.#thrownAwayBy;
    if (!thrower) return;
    this.#thrownAwayBy = undefined;
    for (const other of this.#connections) {
      if (other === thrower) continue;
      const listens = [...other.channels].map((channel) => frame("Q", `listen ${quoted(channel)}`));
      await this.#engine.run([...listens, ...other.names.parses(), SYNC]);
    }
    this.#unnamedOf = undefined;
  }

  #notify(notifications: readonly Notification[]): void {
    for (const { channel, bytes } of notifications) {
      for (const connection of this.#connections) {
        if (connection.channels.has(channel)) connection.send([bytes]);
      }
    }
  }

  #isListenedTo(channel: string): boolean {
    return [...this.#connections].some((connection) => connection.channels.has(channel));
  }
}

function textOf(message: Buffer): string | undefined {
  if (typeOf(message) === "Q") return stringAt(message, 5);
  if (typeOf(message) === "P") return stringAt(message, message.indexOf(0, 5) + 1);
  return undefined;
}
