import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { FrameReader, frame, int32, typeOf } from "../../src/embedded/frames.ts";

/** A client that speaks the wire protocol by hand, to do what well-behaved clients never do. */
export class RawClient {
  readonly socket: Socket;
  readonly #reader = new FrameReader();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#reader.push(chunk);
      socket.emit("bytes");
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(connect(port, "127.0.0.1"));
    const body = Buffer.concat([int32(3 << 16), Buffer.from("user\0postgres\0database\0postgres\0\0")]);
    client.socket.write(Buffer.concat([int32(body.length + 4), body]));
    await client.untilReady();
    return client;
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  query(sql: string): Promise<Buffer[]> {
    this.send(frame("Q", sql));
    return this.untilReady();
  }

  untilReady(): Promise<Buffer[]> {
    return this.until("Z");
  }

  /** The frames up to the first one of `type`. */
  async until(type: string): Promise<Buffer[]> {
    const frames: Buffer[] = [];
    for (;;) {
      const next = this.#reader.next(true);
      if (!next) await once(this.socket, "bytes", { signal: AbortSignal.timeout(10_000) });
      else if (frames.push(next) && typeOf(next) === type) return frames;
    }
  }

  /** Resolves when the server has closed the connection. */
  async closed(): Promise<void> {
    this.socket.end();
    if (!this.socket.closed) await once(this.socket, "close");
  }
}

export function types(frames: readonly Buffer[]): string {
  return frames.map(typeOf).join("");
}
