/** What is told who gets no further than the door, and no cause to know more. */
import type { Duplex } from 'node:stream';
import { requestIdHeader } from './reporting/requests.ts';

/** A refusal by HTTP, also of an upgrade. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  /** JSON in the form of GraphQL. */
  readonly body: string;
}

/** For a page of a foreign origin; its browser shows it to nobody but developers. */
export const foreign: Refusal = {
  status: 403,
  reason: 'Forbidden',
  body: errorBody('The origin of this page is not in corsOrigins.', { code: 'FORBIDDEN' }),
};

/** For whoever calls an open server by a name that anybody may have given it. */
export const misdirected: Refusal = {
  status: 421,
  reason: 'Misdirected Request',
  body: errorBody('This server is called by localhost or an address, or by a name in corsOrigins.', {
    code: 'FORBIDDEN',
  }),
};

/** For a connection that is one too many. */
export const full: Refusal = {
  status: 503,
  reason: 'Service Unavailable',
  body: errorBody('There are maxConnections connections.', { code: 'LIMIT_EXCEEDED', option: 'maxConnections' }),
};

/** Answers an upgrade, and ends the connection. */
export function refuseUpgrade(socket: Duplex, status: string, requestId: string): void {
  socket.once('finish', () => socket.destroy());
  const headers = `Connection: close\r\nContent-Length: 0\r\n${requestIdHeader}: ${requestId}`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n`);
}

function errorBody(message: string, extensions: Readonly<Record<string, string>>): string {
  return JSON.stringify({ errors: [{ message, extensions }] });
}
