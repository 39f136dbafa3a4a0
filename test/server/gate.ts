import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server that a test can cut, as a network does: without a word to either side. */
export interface Gate {
  /** `http://…/graphql` through the gate. */
  readonly url: string;
  readonly webSocketUrl: string;
  /** Cuts every connection. New ones are let through. */
  cut(): void;
  close(): Promise<void>;
}

export async function startGate(port: number): Promise<Gate> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1' });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen({ port: 0, host: '127.0.0.1' }, resolve);
  });
  // A TCP server has an address of this shape as long as it listens.
  const { port: own } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${own}/graphql`,
    webSocketUrl: `ws://127.0.0.1:${own}/graphql`,
    cut,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
