/** What a signal can end. */
export interface Endable {
  end(): void;
}

interface Group {
  readonly members: Set<Endable>;
  readonly end: () => void;
}

/**
 * Ends its members when their signal aborts, with one listener on each signal, gone with the last member.
 *
 * A signal may be that of a whole server: thousands of listeners on one cost as many steps to remove each, and a
 * warning of Node's.
 */
export class AbortGroups {
  readonly #groups = new WeakMap<AbortSignal, Group>();

  add(signal: AbortSignal, member: Endable): void {
    const group = this.#groups.get(signal) ?? this.#listen(signal);
    group.members.add(member);
  }

  delete(signal: AbortSignal, member: Endable): void {
    const group = this.#groups.get(signal);
    if (group?.members.delete(member) !== true || group.members.size > 0) return;
    signal.removeEventListener('abort', group.end);
    this.#groups.delete(signal);
  }

  #listen(signal: AbortSignal): Group {
    const members = new Set<Endable>();
    const end = () => {
      for (const member of members) member.end();
    };
    const group = { members, end };
    this.#groups.set(signal, group);
    signal.addEventListener('abort', end, { once: true });
    return group;
  }
}
