import pgListen, { type Subscriber } from "pg-listen";
import { connectionRefused, urlWithPassword } from "../database/client-of.ts";
import { connectTimeoutMs } from "../database/connection-url.ts";
import { ASKED, CHANNEL } from "../database/wake-listeners.ts";

/** For a listener that may sleep: no connection is checked by a statement, which would keep the database awake. */
export interface Rest {
  /** How long a connection that is lost is left closed: a serverless database ends it when it stops. */
  readonly pauseMs: () => number;
}

type Listening = Subscriber<Record<string, string | undefined>>;

export interface NotificationHandlers {
  /** A change was committed: of this source, or of any where it is undefined (sources were changed, claims taken over). */
  readonly onChange: (sourceId: number | undefined) => void;
  /** A question waits. */
  readonly onAsked: () => void;
  /** Notifications arrive from now on, for the first time or again: what came before must be looked for. */
  readonly onListening: () => void;
  readonly onLost: (problem: string) => void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A half-open connection goes unnoticed for as long as one check and the time that it has to answer. */
const CHECK_MS = 10_000;
const ANSWER_MS = 5_000;
/** Where nothing checks it, the kernel does. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Receives NOTIFY until it is stopped. A notification is only a hint: the poll finds what it misses.
 *
 *   opening ──connected, LISTEN sent──▶ listening ──lost──▶ pausing (longer each time, with jitter) ──▶ opening
 *
 * pg-listen notices a lost connection; the next one is opened here, with a new subscriber. Its own reconnection ends after
 * three seconds by default, stays dead when the connection is lost again while it sends LISTEN, and leaks a connection when
 * it is closed in the meantime.
 */
export class Notifications {
  readonly #databaseUrl: string;
  readonly #handlers: NotificationHandlers;
  readonly #rest: Rest | undefined;
  #subscriber: Listening | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #closed = false;

  constructor(databaseUrl: string, handlers: NotificationHandlers, rest?: Rest) {
    this.#databaseUrl = databaseUrl;
    this.#handlers = handlers;
    this.#rest = rest;
  }

  start(): void {
    void this.#open();
  }

  async #open(): Promise<void> {
    let subscriber: Listening | undefined;
    try {
      const connectionString = await urlWithPassword(this.#databaseUrl);
      if (this.#closed) return;
      subscriber = this.#subscriber = this.#subscribe(connectionString);
      await subscriber.connect();
      await subscriber.listenTo(CHANNEL);
      if (this.#subscriber !== subscriber) return;
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#handlers.onListening();
    } catch (error) {
      connectionRefused(this.#databaseUrl, error);
      this.#lose(subscriber, error);
    }
  }

  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    await subscriber?.close().catch(() => undefined);
  }

  #subscribe(connectionString: string): Listening {
    const subscriber = pgListen.default<Record<string, string | undefined>>(
      {
        connectionString,
        application_name: "pg-autoembed listen",
        connectionTimeoutMillis: connectTimeoutMs(connectionString) ?? ANSWER_MS,
        query_timeout: ANSWER_MS,
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      },
      // A retry limit of 1 is none at all: a lost connection is an "error" at once.
      {
        parse: (payload: string) => payload,
        paranoidChecking: this.#rest === undefined ? CHECK_MS : false,
        retryLimit: 1,
      },
    );
    subscriber.notifications.on(CHANNEL, (payload = "") => {
      // Any role that can connect may send anything on any channel.
      if (payload === ASKED) this.#handlers.onAsked();
      else if (/^\d{0,10}$/.test(payload))
        this.#handlers.onChange(payload === "" ? undefined : Number(payload));
    });
    subscriber.events.on("error", (error) => {
      this.#lose(subscriber, error);
    });
    return subscriber;
  }

  #lose(subscriber: Listening | undefined, error: unknown): void {
    if (this.#closed || this.#subscriber !== subscriber) return;
    this.#subscriber = undefined;
    void subscriber?.close().catch(() => undefined);
    this.#handlers.onLost(error instanceof Error ? error.message : "the connection was lost");
    this.#timer = setTimeout(
      () => {
        this.start();
      },
      Math.max(this.#pauseMs * (0.5 + Math.random() / 2), this.#rest?.pauseMs() ?? 0),
    );
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }
}
