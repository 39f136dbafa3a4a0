import { anonymous, type Viewer } from './viewer.ts';

/** What a client brought to say who it is: a request's headers, and on a WebSocket `connectionParams` as well. */
export interface Credentials {
  /** A header's value, by its name in lower case. */
  readonly header: (name: string) => string | undefined;
  /** The payload of `connection_init`, untrusted. Its texts outrank the headers of the upgrade. */
  readonly connectionParams?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Finds out who asks.
 *
 * @throws UnauthenticatedError for credentials that are missing or do not hold; BackendUnavailableError when that cannot
 * be known now.
 */
export type Authenticate = (credentials: Credentials) => Promise<Viewer>;

/** Whoever authenticates. */
export interface Authenticator {
  readonly authenticate: Authenticate;
  /** Everybody is let in, as `anonymous`: there is nothing to authenticate with. */
  readonly isOpen: boolean;
  /** A viewer that it let in, as it would now; undefined: it would not any more. */
  currentViewer(viewer: Viewer): Viewer | undefined;
  /** Calls whenever `currentViewer` may answer something else. */
  listen(onChange: () => void): void;
  /** Ends what it watches. */
  close(): void;
}

/** For credentials that say themselves until when they hold. */
export const fixedCredentials: Pick<Authenticator, 'currentViewer' | 'listen'> = {
  currentViewer: (viewer) => viewer,
  listen: () => undefined,
};

/** Lets everybody in. */
export const openToAll: Authenticator = {
  ...fixedCredentials,
  authenticate: async () => anonymous,
  isOpen: true,
  close: () => undefined,
};

/** The token of `Authorization: Bearer …` (RFC 6750, 2.1), from `connectionParams` first. */
export function bearerToken({ header, connectionParams }: Credentials): string | undefined {
  const param = connectionParams?.['authorization'] ?? connectionParams?.['Authorization'];
  const value = typeof param === 'string' ? param : header('authorization');
  return value === undefined ? undefined : /^bearer +(\S+) *$/i.exec(value)?.[1];
}
