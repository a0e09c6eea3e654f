import { Pool, type Dispatcher } from "undici";

/** A proxy that let nothing through: what it answered to CONNECT, or undefined where it hung up. */
export class ProxyRefusal extends Error {
  override readonly name = "ProxyRefusal";
  readonly code = "PROXY_REFUSAL";
  readonly status: number | undefined;

  constructor(status: number | undefined, options?: ErrorOptions) {
    super("the proxy opened no connection", options);
    this.status = status;
  }
}

/** undici's own code for a connection that was closed: it takes that for a reason to connect again at once, for ever. */
const CLOSED = "UND_ERR_SOCKET";

/** Connections to a proxy. One that hangs up or refuses ends the request, and it may take `answerMs` to say so. */
export function openProxyConnections(origin: URL, options: object, answerMs: number): Dispatcher {
  const pool = new Pool(origin, { ...options, headersTimeout: answerMs });
  const connect = pool.connect.bind(pool);
  const connectOnce = async (asked: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    const answer = await connect(asked).catch((error: unknown) => {
      throw isClosed(error) ? new ProxyRefusal(undefined, { cause: error }) : error;
    });
    if (answer.statusCode === 200) return answer;
    answer.socket.on("error", () => undefined).destroy();
    throw new ProxyRefusal(answer.statusCode);
  };
  return Object.assign(pool, { connect: connectOnce });
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === CLOSED;
}
