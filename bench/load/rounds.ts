import { median, spread } from '../figures.ts';

/** What one side did in each round. */
export class Rounds<T> {
  readonly #of = new Map<string, T[]>();

  /** Lets each side have its turn in every round, and once before, which is for the compilers and does not count. */
  static async play<S extends { readonly name: string }, T>(
    sides: readonly S[],
    count: number,
    turn: (side: S) => Promise<T>,
  ): Promise<Rounds<T>> {
    const rounds = new Rounds<T>();
    for (let round = -1; round < count; round++) {
      for (const side of inOrder(sides, round)) {
        const result = await turn(side);
        if (round >= 0) rounds.add(side.name, result);
      }
    }
    return rounds;
  }

  add(side: string, result: T): void {
    this.#of.set(side, [...(this.#of.get(side) ?? []), result]);
  }

  /** The median of a figure, and how far the rounds lie apart. */
  figure(side: string, read: (result: T) => number, digits = 0): string {
    return spread(this.#each(side, read), digits);
  }

  /** The median of the rounds' ratios, and how far they lie apart; a dash without the other side. */
  ratio(side: string, other: string, read: (result: T) => number): string {
    const base = this.#each(other, read);
    if (base.length === 0) return '–';
    return spread(this.#each(side, read).map((value, round) => value / (base[round] ?? Number.NaN)));
  }

  /** The median alone. */
  middle(side: string, read: (result: T) => number): number {
    return median(this.#each(side, read));
  }

  #each(side: string, read: (result: T) => number): number[] {
    return (this.#of.get(side) ?? []).map(read);
  }
}

/** The sides in the order of this round: whoever was first is last in the next. */
export function inOrder<T>(sides: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? sides : sides.toReversed();
}
