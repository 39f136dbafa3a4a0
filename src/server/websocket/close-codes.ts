import { CloseCode } from 'graphql-ws';
import type { LimitName, RefusalCode } from '../../observability/refusal-codes.ts';

/** WebSocket close codes of ours, beside those of the graphql-transport-ws protocol. docs/protocol.md lists them all. */
export const ServerCloseCode = {
  /** The server restarts: connect again. Clients of graphql-ws retry it. (RFC 6455, registered as "Service Restart".) */
  ServiceRestart: 1012,
  /** Who asks cannot be found out now. (RFC 6455, registered as "Try Again Later".) */
  TryAgainLater: 1013,
  /** Nothing could be written for `slowReaderTimeoutMs`: connect again and resume. */
  SlowReader: 4800,
} as const;

/** What a refused connection is counted as. */
export interface RefusalLabels {
  readonly code: RefusalCode;
  readonly limit?: LimitName;
}

/** What a connection was refused for, by the code that closes it or the error that `ws` closes it for. */
export function refusalBy(reason: number | (Error & { readonly code?: unknown })): RefusalLabels | undefined {
  if (typeof reason === 'number') return refusals.get(reason);
  if (reason.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return { code: 'LIMIT_EXCEEDED', limit: 'maxRequestBytes' };
  return typeof reason.code === 'string' && reason.code.startsWith('WS_ERR_') ? { code: 'BAD_USER_INPUT' } : undefined;
}

const refusals: ReadonlyMap<number, RefusalLabels> = new Map<number, RefusalLabels>([
  [CloseCode.BadRequest, { code: 'BAD_USER_INPUT' }],
  [CloseCode.SubprotocolNotAcceptable, { code: 'BAD_USER_INPUT' }],
  [CloseCode.SubscriberAlreadyExists, { code: 'BAD_USER_INPUT' }],
  [CloseCode.TooManyInitialisationRequests, { code: 'BAD_USER_INPUT' }],
  [CloseCode.Unauthorized, { code: 'UNAUTHENTICATED' }],
  [CloseCode.ConnectionInitialisationTimeout, { code: 'LIMIT_EXCEEDED', limit: 'connectionInitTimeoutMs' }],
  [CloseCode.InternalServerError, { code: 'INTERNAL_SERVER_ERROR' }],
]);
