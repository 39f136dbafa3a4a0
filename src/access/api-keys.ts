/**
 * API keys: 256 random bits each, for programs.
 *
 * The server has only their SHA-256 digests. A slow hash (scrypt, Argon2) makes each guess expensive, which helps where
 * people choose what is guessed; nobody guesses 256 random bits, whatever a guess costs, and a slow hash would make
 * every request of an honest client expensive.
 *
 * A key is found by its digest in a map. How long that takes may depend on the digests, and tells nothing of a key: who
 * can choose how a digest begins without knowing the key has broken SHA-256.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import type { Logger } from '../observability/logger.ts';
import { digestOf, parseApiKeys } from './api-key-file.ts';
import type { Viewer } from './viewer.ts';

/** What every key begins with: it tells keys from tokens, and scanners of repositories find it. */
export const apiKeyPrefix = 'chord_';

/** How often the file is looked at, in ms. */
const lookEveryMs = 1_000;

/** A new key, and what the file has to say of it. */
export function createApiKey(id: string): { readonly key: string; readonly entry: object } {
  const key = apiKeyPrefix + randomBytes(32).toString('base64url');
  return { key, entry: { id, sha256: digestOf(key), grants: [{ may: ['read', 'list'] }] } };
}

/**
 * The keys of a file, which is read again every second.
 *
 * All of it, not its times: those of two changes within a tick of the file system are the same. A file that is broken
 * or gone changes nothing but the log: whoever edits it must not lock everybody out.
 */
export class ApiKeys {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closed = new AbortController();
  #viewers: ReadonlyMap<string, Viewer>;
  /** By which key somebody came in. */
  readonly #digests = new WeakMap<Viewer, string>();
  readonly #listeners: (() => void)[] = [];
  /** The text that was looked at last; undefined when it could not be read. */
  #text: string | undefined;
  /** What was logged last, and has not ended since. */
  #problem: string | undefined;

  /**
   * Reads the file at once.
   *
   * @throws TypeError that begins with `apiKeysFile` when it cannot be used.
   */
  constructor(path: string, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
    try {
      this.#text = readFileSync(path, 'utf8');
      this.#viewers = parseApiKeys(this.#text);
    } catch (error) {
      throw new TypeError(`apiKeysFile: ${path}: ${messageOf(error)}`, { cause: error });
    }
    // Never rejects.
    void this.#watch();
  }

  /** Whom a key stands for, also one that has run out. Undefined: there is no such key. */
  find(key: string): Viewer | undefined {
    const digest = digestOf(key);
    const viewer = this.#viewers.get(digest);
    if (viewer !== undefined) this.#digests.set(viewer, digest);
    return viewer;
  }

  /**
   * A viewer as the entry of its key is now; undefined: there is no such entry any more, or it is somebody else's. One
   * that came in otherwise stays as it is.
   */
  currentViewer(viewer: Viewer): Viewer | undefined {
    const digest = this.#digests.get(viewer);
    if (digest === undefined) return viewer;
    const now = this.#viewers.get(digest);
    if (now !== undefined) this.#digests.set(now, digest);
    return now?.id === viewer.id ? now : undefined;
  }

  /** Calls whenever the file has changed. */
  listen(onChange: () => void): void {
    this.#listeners.push(onChange);
  }

  /** Looks no more. */
  close(): void {
    this.#closed.abort();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.#clock.sleep(lookEveryMs, signal);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    try {
      const text = await this.#read();
      if (text === this.#text) return;
      this.#text = text;
      this.#viewers = parseApiKeys(text);
      this.#problem = undefined;
      this.#logger.info('API keys read again', { keys: this.#viewers.size });
      for (const listener of this.#listeners) listener();
    } catch (error) {
      const problem = messageOf(error);
      if (problem === this.#problem) return;
      this.#problem = problem;
      this.#logger.error('the API keys cannot be read again; those from before stay', { path: this.#path, problem });
    }
  }

  async #read(): Promise<string> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (error) {
      this.#text = undefined;
      throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
