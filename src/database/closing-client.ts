import type { Duplex } from "node:stream";
import pg from "pg";

type Connected = (error: Error | null, client?: pg.Client) => void;

/**
 * pg's client, which closes a connection that it could not open. Where TLS fails after its handshake, as for a client's
 * certificate that the server refuses, pg leaves the connection open, and `end()` would wait for its end for ever.
 */
export class ClosingClient extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(connected: Connected): void;
  override connect(connected?: Connected): unknown {
    const opened = this.open().catch((error: unknown) => {
      const { connection } = this as unknown as { readonly connection: { readonly stream: Duplex } };
      connection.stream.destroy();
      throw error;
    });
    if (connected === undefined) return opened;
    opened.then(
      () => {
        connected(null, this);
      },
      (error: unknown) => {
        connected(error as Error);
      },
    );
    return undefined;
  }

  protected async open(): Promise<pg.Client> {
    await super.connect();
    return this;
  }
}
