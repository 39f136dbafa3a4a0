import type { Position } from '../src/model.ts';
import type { Chord } from '../src/service/chord.ts';
import type { Size } from './sizes.ts';

/** What a caller does again and again. */
export interface Operation {
  readonly name: string;
  readonly run: (chord: Chord, id: string, size: Size) => Promise<unknown>;
}

/** The verbs of the library. The syncs come last: they are for contexts that `putBehind` was called for. */
export class Operations {
  readonly all: readonly Operation[];
  readonly #positions = new Map<Chord, Map<string, Position>>();
  #counter = 0;

  constructor() {
    this.all = [
      { name: 'get', run: (chord, id) => chord.getContext(id) },
      { name: 'update', run: (chord, id, size) => this.#update(chord, id, size) },
      {
        name: 'set',
        run: (chord, id, { state }) => chord.setContext(id, { ...state, topic: `topic ${this.#next()}` }),
      },
      ...[1, 50, 100].map((behind) => ({
        name: `sync ${behind} behind`,
        run: async (chord: Chord, id: string) => {
          const position = this.#positions.get(chord)?.get(id);
          return chord.syncContext(id, position && { ...position, version: position.version - behind });
        },
      })),
    ];
  }

  /** @throws TypeError when there is none of that name. */
  named(name: string): Operation {
    const found = this.all.find((operation) => operation.name === name);
    if (found === undefined) throw new TypeError(`There is no operation ${name}.`);
    return found;
  }

  /** Puts 101 updates of one field behind each of the contexts, and notes where it stands. */
  async putBehind(chord: Chord, size: Size, ids: readonly string[]): Promise<void> {
    const at = this.#positions.get(chord) ?? new Map<string, Position>();
    this.#positions.set(chord, at);
    const update = async (id: string): Promise<void> => {
      for (let i = 0; i < 101; i++) at.set(id, await this.#update(chord, id, size));
    };
    await Promise.all(ids.map(update));
  }

  #update(chord: Chord, id: string, { changes }: Size): Promise<Position> {
    return chord.updateContext(id, changes(this.#next()));
  }

  #next(): number {
    return this.#counter++;
  }
}
