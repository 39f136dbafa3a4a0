/** What the tests of access share: a recording logger, credentials, files, and the options with their defaults. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { createApiKey } from '../../src/access/api-keys.ts';
import { type AccessConfig, type AuthenticatorParts, createAuthenticator } from '../../src/access/authenticator.ts';
import type { Authenticator, Credentials } from '../../src/access/credentials.ts';
import { completeOptions } from '../../src/config/complete.ts';
import { ChordError } from '../../src/errors.ts';
import { createLogger, type Logger } from '../../src/observability/logger.ts';
import { ManualClock } from '../support/clock.ts';

/** A logger, and the lines that it has written. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>);
  return { logger: createLogger({ level: 'debug', format: 'json', stream: { write } }), lines };
}

/** What a request with this header brings; undefined: a request without any. */
export function bearer(token: string | undefined): Credentials {
  return header(token === undefined ? undefined : `Bearer ${token}`);
}

/** A request with this value of `authorization`. */
export function header(authorization: string | undefined): Credentials {
  return { header: (name) => (name === 'authorization' ? authorization : undefined) };
}

const opened: Authenticator[] = [];
const directories: string[] = [];

afterEach(() => {
  for (const authenticator of opened.splice(0)) authenticator.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** An authenticator with its log and its clock; it is closed when the test ends. */
export function access(
  given: Partial<AccessConfig>,
  parts: Partial<AuthenticatorParts> & { readonly clock?: ManualClock } = {},
) {
  const { logger, lines } = recordingLogger();
  const clock = parts.clock ?? new ManualClock();
  const authenticator = createAuthenticator(completeOptions(given), { logger, ...parts, clock });
  opened.push(authenticator);
  /** The viewer's id, or how the client is refused. */
  const outcome = (credentials: Credentials) =>
    authenticator.authenticate(credentials).then(
      ({ id }) => id,
      (error: unknown) => (error instanceof ChordError ? `${error.code}: ${error.message}` : error),
    );
  return { ...authenticator, outcome, clock, lines };
}

/** What clients hear. */
export const refused = {
  missing: 'UNAUTHENTICATED: Credentials are required.',
  invalid: 'UNAUTHENTICATED: The credentials are not valid.',
  runOut: 'UNAUTHENTICATED: The credentials have run out.',
  revoked: 'UNAUTHENTICATED: The credentials were revoked.',
  unknowable: 'BACKEND_UNAVAILABLE: The credentials cannot be checked now.',
};

/** A path in a new directory. */
export function temporaryFile(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'chord-access-'));
  directories.push(directory);
  return join(directory, name);
}

/** Writes the file as editors and deployments do: whole, in the place of the old one. */
export function replaceFile(path: string, contents: unknown): void {
  writeFileSync(`${path}.new`, typeof contents === 'string' ? contents : JSON.stringify(contents));
  renameSync(`${path}.new`, path);
}

/** A key and an entry for it, which may say more. */
export function newKey(id: string, more: object = {}): { readonly key: string; readonly entry: object } {
  const { key, entry } = createApiKey(id);
  return { key, entry: { ...entry, ...more } };
}
