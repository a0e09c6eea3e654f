import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import { setImmediate as nextRound } from "node:timers/promises";
import { Connection } from "./connection.ts";
import { type Engine, EngineFailure } from "./engine.ts";
import { errorResponse, frame, int32 } from "./frames.ts";
import { SharedSession } from "./shared-session.ts";

/** How long turns may follow each other before sockets are read again. */
const ROUND_MS = 10;
/** How long a disconnected client may take to read the reason. */
const GOODBYE_MS = 1000;

/**
 * Serves Postgres' protocol on 127.0.0.1 to several clients over the engine's one session. A client keeps the engine
 * from Parse to Sync and for a whole transaction; the others wait for their turn.
 */
export class WireServer {
  readonly #engine: Engine;
  readonly #server: Server;
  readonly #onDead: (error: unknown) => void;
  readonly #connections = new Set<Connection>();
  readonly #waiting = new Set<Connection>();
  readonly #tasks: (() => Promise<void>)[] = [];
  #departed: Connection[] = [];
  #session: SharedSession;
  #greeting: Buffer = Buffer.alloc(0);
  /** The client in the middle of a transaction, or between Parse and Sync. */
  #holder: Connection | undefined;
  #lastId = 0;
  #serving = false;
  #lastTurnAt = 0;

  /** @param onDead called if the engine failed and could not be opened again */
  constructor(engine: Engine, onDead: (error: unknown) => void) {
    this.#engine = engine;
    this.#onDead = onDead;
    this.#session = new SharedSession(engine, this.#connections);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#welcome(socket);
    });
  }

  /**
   * @param port 0: any free port
   * @returns the port
   * @throws EADDRINUSE
   */
  async listen(port: number): Promise<number> {
    this.#greeting = await this.#engine.greeting();
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** When a client last had the engine, by `performance.now()`. */
  get lastTurnAt(): number {
    return this.#lastTurnAt;
  }

  /** Runs our own task while no client is in a transaction. */
  async betweenTransactions<T>(task: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve) => {
      this.#tasks.push(async () => {
        const done = task();
        resolve(done);
        await done.catch((error: unknown) => {
          if (error instanceof EngineFailure) throw error;
        });
      });
      void this.#serve();
    });
  }

  /** Disconnects all clients, and waits until they are gone; their open transactions are rolled back. */
  async close(): Promise<void> {
    const allGone = once(this.#server, "close");
    this.#server.close();
    this.#dismissAll("57P01", "terminating connection: the embedded Postgres is being stopped");
    await allGone;
    await this.betweenTransactions(() => Promise.resolve());
  }

  #welcome(socket: Socket): void {
    const connection = new Connection(++this.#lastId, socket, () => {
      connection.send([
        this.#greeting,
        frame("K", int32(connection.id), int32(0)),
        frame("Z", Buffer.from("I")),
      ]);
    });
    this.#connections.add(connection);
    const enqueue = () => {
      if (connection.hasTurn) this.#waiting.add(connection);
      void this.#serve();
    };
    socket
      .on("data", (chunk) => {
        connection.receive(chunk);
        enqueue();
      })
      .on("drain", () => {
        connection.congested = false;
        enqueue();
      })
      .on("end", () => {
        connection.leave();
      })
      .on("error", () => socket.destroy())
      .on("close", () => {
        this.#depart(connection);
      });
  }

  #depart(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    connection.gone = true;
    this.#waiting.delete(connection);
    // A client that leaves in the middle of a transaction is cleaned up first: until then it owns the session.
    if (connection === this.#holder) this.#departed.unshift(connection);
    else this.#departed.push(connection);
    void this.#serve();
  }

  /** The one loop that uses the engine. */
  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    let roundEnds = performance.now() + ROUND_MS;
    for (let step; (step = this.#nextStep());) {
      await step().catch((error: unknown) => this.#startOver(error));
      if (performance.now() < roundEnds) continue;
      await nextRound();
      roundEnds = performance.now() + ROUND_MS;
    }
    this.#serving = false;
  }

  #nextStep(): (() => Promise<void>) | undefined {
    const holder = this.#holder;
    if (holder?.gone === false) return holder.canRun ? () => this.#runTurn(holder) : undefined;
    const departed = this.#departed.shift();
    if (departed) return () => this.#cleanUp(departed);
    const task = this.#tasks.shift();
    if (task) return task;
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection);
      if (connection.canRun) return () => this.#runTurn(connection);
    }
    return undefined;
  }

  async #runTurn(connection: Connection): Promise<void> {
    const keeps = await this.#session.runTurn(connection);
    this.#holder = keeps ? connection : undefined;
    this.#lastTurnAt = performance.now();
    if (connection.hasTurn) this.#waiting.add(connection);
    else connection.leaveIfAsked();
  }

  async #cleanUp(connection: Connection): Promise<void> {
    const inTurn = this.#holder === connection;
    this.#holder = undefined;
    await this.#session.cleanUp(connection, inTurn);
  }

  /** One client's statement has crashed the engine: all clients lose their sessions, as when a server crashes. */
  async #startOver(_cause: unknown): Promise<void> {
    this.#dismissAll("57P02", "the embedded Postgres failed on a statement and is starting again");
    this.#connections.clear();
    this.#departed = [];
    this.#holder = undefined;
    this.#session = new SharedSession(this.#engine, this.#connections);
    await this.#engine.reopen().catch(this.#onDead);
  }

  #dismissAll(code: string, message: string): void {
    for (const connection of this.#connections) {
      connection.send([errorResponse({ severity: "FATAL", code, message })]);
      connection.socket.destroySoon();
      setTimeout(() => connection.socket.destroy(), GOODBYE_MS).unref();
    }
  }
}
