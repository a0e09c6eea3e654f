import { type Answer, type Notification, sortAnswer } from "./answer.ts";
import type { Connection } from "./connection.ts";
import { AnswerTooLarge, type Engine } from "./engine.ts";
import { errorResponse, frame, stringAt, typeOf } from "./frames.ts";
import { SessionSettings } from "./session-settings.ts";
import { channelChanges, quoted } from "./sql-text.ts";
import { isUnnamedParse, usesUnnamedStatement } from "./statement-names.ts";

const SYNC = frame("S");
/** Fails on purpose: this rolls back an Execute that was not followed by a Sync. */
const FAIL = frame("P", "", "?", Buffer.alloc(2));

/** The engine's one session, which looks to every client like its own session. */
export class SharedSession {
  readonly #engine: Engine;
  readonly #connections: ReadonlySet<Connection>;
  readonly #settings: SessionSettings;
  /** The client whose statement is the session's unnamed statement. */
  #unnamedOf: Connection | undefined;
  /** A client that discarded the whole session's state, including other clients' statements and channels. */
  #discardedBy: Connection | undefined;

  /** @param connections all clients; the caller keeps the set up to date */
  constructor(engine: Engine, connections: ReadonlySet<Connection>) {
    this.#engine = engine;
    this.#connections = connections;
    this.#settings = new SessionSettings(engine);
  }

  /**
   * Runs a client's next turn and sends it the answer.
   * @returns whether the client must keep the engine: it is in a transaction, or has not sent its Sync
   */
  async runTurn(connection: Connection): Promise<boolean> {
    const turn = connection.takeTurn();
    if (!turn) return false;
    await this.#settings.switchTo(connection);
    await this.#restoreUnnamed(connection, turn.messages);
    const messages = turn.messages.map((message) => connection.names.translate(message));
    try {
      const answer = sortAnswer(await this.#engine.run(messages, turn.untilReady));
      this.#note(connection, turn.messages, answer);
      connection.send(answer.forClient);
      this.#notify(answer.notifications);
      if (answer.status === "I") await this.#restoreOthers();
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

  /** Rolls back and removes what a client left in the session. */
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

  /** Prepares the unnamed statement that this client binds again, if another client has replaced it. */
  async #restoreUnnamed(connection: Connection, messages: readonly Buffer[]): Promise<void> {
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
      if (!listens) this.#discardedBy = connection;
    }
    if (tags.has("DISCARD ALL") || tags.has("DEALLOCATE ALL")) {
      connection.names.forgetAll();
      this.#discardedBy = connection;
    }
    const sets = tags.has("SET") || tags.has("RESET") || tags.has("DISCARD ALL");
    if (sets || texts.some((text) => /\bset_config\b/i.test(text))) connection.changedSettings = true;
  }

  async #restoreOthers(): Promise<void> {
    const discarder = this.#discardedBy;
    if (!discarder) return;
    this.#discardedBy = undefined;
    for (const other of this.#connections) {
      if (other === discarder) continue;
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
