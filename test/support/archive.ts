import type { ExportedContext, Exporter, ProvidedContext, Provider } from '../../src/external/external.ts';

/** A team's own storage, as one might write it: the newest version of each context in a map. */
export class Archive implements Exporter, Provider {
  readonly name = 'archive';
  readonly records = new Map<string, ProvidedContext>();
  /** What it was asked, in order. */
  readonly exported: ExportedContext[] = [];
  readonly fetched: string[] = [];
  /** Of each call. It does not listen to them. */
  readonly signals: AbortSignal[] = [];
  /** Holds a call up before it looks. */
  gate: (() => Promise<void>) | undefined;

  async exportContext(record: ExportedContext, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    this.exported.push(record);
    this.signals.push(signal);
    await this.gate?.();
    if ((this.records.get(record.id)?.version ?? 0) <= record.version) this.records.set(record.id, record);
  }

  async fetchContext(id: string, { signal }: { readonly signal: AbortSignal }): Promise<ProvidedContext | null> {
    this.fetched.push(id);
    this.signals.push(signal);
    await this.gate?.();
    return this.records.get(id) ?? null;
  }
}

/** A provider that answers anything, also what its contract forbids. */
export function providerOf(answer: () => unknown): Provider {
  // What TypeScript would not let a team write: a provider may be in plain JavaScript, or hand on what it parsed.
  return { name: 'careless', fetchContext: async () => answer() as ProvidedContext };
}

/** Holds up all that pass until it is opened. */
export function createGate(): { readonly pass: () => Promise<void>; readonly open: () => void } {
  let resolveOpened: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => {
    resolveOpened = resolve;
  });
  return { pass: () => opened, open: () => resolveOpened?.() };
}
