import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { isDeserted, post, type RunningApp } from '../support/app.ts';
import { Inbox, until } from '../support/wait.ts';

interface Positioned {
  readonly epoch: string;
}

/**
 * Does what an example walk of docs/protocol.md says.
 *
 * Epochs are random: each that the server gives stands for the one that the page shows in its place, and stays that one.
 */
export class Walker {
  readonly #server: RunningApp;
  readonly #selection: string;
  /** From the server's epochs to the page's. */
  readonly #epochs = new Map<string, string>();
  #events = new Inbox<Positioned>('an event');
  #leave: () => void | Promise<void> = () => undefined;

  constructor(server: RunningApp, selection: string) {
    this.#server = server;
    this.#selection = selection;
  }

  /** The same walk, with the events that came. */
  async walk(text: string): Promise<string> {
    const happened: string[] = [];
    for (const line of text.trimEnd().split('\n')) {
      const [, verb = '', rest = ''] = /^\d+ (\w+) *(.*)$/.exec(line) ?? [];
      const did = `${happened.length + 1} ${verb.padEnd(6)} ${await this.#step(verb, rest)}`;
      happened.push(did.trimEnd());
    }
    if (this.#events.unread > 0) happened.push('and more events');
    return `${happened.join('\n')}\n`;
  }

  async leave(): Promise<void> {
    await this.#leave();
    this.#leave = () => undefined;
    await until('the server lets go', () => isDeserted(this.#server.app));
  }

  /** What belongs to the verb, as it happened. */
  async #step(verb: string, rest: string): Promise<string> {
    switch (verb) {
      case 'write':
        await this.#write(rest);
        return rest;
      case 'follow':
        this.#follow(this.#translate(rest));
        return rest;
      case 'event':
        return this.#event(JSON.parse(rest) as Positioned);
      case 'cut':
        await this.leave();
        return rest;
      default:
        throw new Error(`no such step: ${verb}`);
    }
  }

  async #write(mutation: string): Promise<void> {
    const result = await post(this.#server.url, { query: `mutation { ${mutation} { __typename } }` });
    const answer = JSON.stringify(result);
    if (!answer.includes('Payload"')) throw new Error(`${mutation} was refused: ${answer}`);
  }

  #follow(field: string): void {
    const client = createClient({ url: this.#server.webSocketUrl, webSocketImpl: WebSocket });
    const events = new Inbox<Positioned>(`an event of ${field}`);
    client.subscribe<{ readonly contextChanged: Positioned }>(
      { query: `subscription { ${field} { ${this.#selection} } }` },
      {
        next: ({ data }) => {
          if (data) events.put(data.contextChanged);
        },
        // No event comes then, and the inbox says which one did not.
        error: () => undefined,
        complete: () => undefined,
      },
    );
    this.#events = events;
    this.#leave = () => client.dispose();
  }

  async #event(shown: Positioned): Promise<string> {
    const event = await this.#events.next();
    const isTaken = [...this.#epochs.values()].includes(shown.epoch);
    if (!this.#epochs.has(event.epoch) && !isTaken) this.#epochs.set(event.epoch, shown.epoch);
    return JSON.stringify({ ...event, epoch: this.#epochs.get(event.epoch) ?? event.epoch });
  }

  #translate(text: string): string {
    return [...this.#epochs].reduce((field, [real, shown]) => field.replaceAll(shown, real), text);
  }
}
