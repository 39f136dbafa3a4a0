import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Several processes behind one port: each connection goes to the next of them that takes it. */
export class Balancer {
  readonly #server: Server;
  readonly #ports: readonly number[];
  readonly #open = new Set<Socket>();
  #turn = 0;
  /** How many connections each port was given. */
  readonly given = new Map<number, number>();

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = createServer((client) => void this.#serve(client));
  }

  static async listen(ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports);
    await once(balancer.#server.listen(0, '127.0.0.1'), 'listening');
    return balancer;
  }

  /** Without a path. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The balancer has no port.');
    return `http://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  async #serve(client: Socket): Promise<void> {
    this.#keep(client);
    for (let attempt = 0; attempt < this.#ports.length; attempt++) {
      const port = this.#ports[this.#turn++ % this.#ports.length] ?? 0;
      const target = connect(port, '127.0.0.1');
      this.#keep(target);
      const isTaken = await once(target, 'connect').then(
        () => true,
        () => false,
      );
      if (!isTaken) continue;
      this.given.set(port, (this.given.get(port) ?? 0) + 1);
      client.pipe(target).pipe(client);
      client.once('close', () => target.destroy());
      target.once('close', () => client.destroy());
      if (client.destroyed) target.destroy();
      return;
    }
    client.destroy();
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    // What went wrong is told by its end.
    socket.on('error', () => undefined);
    socket.once('close', () => this.#open.delete(socket));
  }
}
