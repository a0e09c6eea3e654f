import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * A TCP proxy that can die as networks do: silently. While frozen it keeps every connection open, accepts new ones,
 * and forwards nothing. What was sent in that time arrives when the proxy thaws, or never when it is cut.
 */
export class HalfOpenProxy {
  #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #frozen = false;

  constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((near) => {
      this.#join(near);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
  }

  /** @param spared the ports by which the target knows connections that go on */
  freeze(spared: readonly number[] = []): void {
    this.#frozen = true;
    for (const pair of this.#pairs) {
      if (!spared.includes(pair[1].localPort ?? 0)) for (const socket of pair) socket.pause();
    }
  }

  thaw(): void {
    this.#frozen = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  /** Breaks every connection so that both ends notice, and thaws. */
  cut(): void {
    this.#frozen = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** From now on it leads elsewhere, as the address of a cluster does after a failover. */
  leadTo(target: { readonly host: string; readonly port: number }): void {
    this.#target = target;
    this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    const far = connect(this.#target);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (chunk) => to.write(chunk));
      from.on("error", () => undefined);
      from.on("end", () => to.end());
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      if (this.#frozen) from.pause();
    }
  }
}

export async function startHalfOpenProxy(url: string): Promise<HalfOpenProxy> {
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol.startsWith("postgres") ? 5432 : 80;
  const proxy = new HalfOpenProxy({ host: hostname, port: port === "" ? usual : Number(port) });
  await proxy.start();
  return proxy;
}

/** The URL with the proxy's address in place of its own. */
export function through(proxy: HalfOpenProxy, url: string): string {
  const changed = new URL(url);
  changed.hostname = "127.0.0.1";
  changed.port = String(proxy.port);
  return changed.href;
}
