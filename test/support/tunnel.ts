import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";

/** A proxy that leads every host to this port of 127.0.0.1, so that a stand-in answers for a service under its own name. */
export async function startTunnel(port: number): Promise<{ url: string; close: () => void }> {
  const server = createServer();
  server.on("connect", (_request, socket) => {
    const target = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      target.pipe(socket).pipe(target);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
    },
  };
}
