/** What administrators are told of the process that answers: how it is, and who is connected to what. */
import type { Position } from '../model.ts';
import { assertAdmin } from './guard.ts';
import { type ReportPage, type ReportPageOptions, toReportPage } from './report-page.ts';
import type { Session } from './session.ts';

/** One process. */
export interface ServerReport {
  readonly version: string;
  readonly startedAtMs: number;
  /** The name of a built-in backend, or `own`. */
  readonly backend: string;
  /** Changes when the store may have lost its tail. */
  readonly storeId: string;
  /** Whether the store answers. */
  readonly isReady: boolean;
  readonly webSocketCount: number;
  readonly eventStreamCount: number;
  readonly subscriptionCount: number;
  /** Of them, those that are not told yet what is new. */
  readonly behindCount: number;
  readonly watchedContextCount: number;
  readonly queuedWriteCount: number;
}

/** One WebSocket or event stream. */
export interface ConnectionReport {
  /** Of this process. */
  readonly id: string;
  readonly transport: 'WEBSOCKET' | 'EVENT_STREAM';
  /** Null: it has not said who it is yet. */
  readonly viewerId: string | null;
  /** As far as trusted proxies tell. */
  readonly clientAddress: string;
  readonly connectedAtMs: number;
  /** When its credentials run out; null: never. */
  readonly expiresAtMs: number | null;
  /** Bytes that its socket has not taken. */
  readonly unsentBytes: number;
  readonly subscriptions: readonly SubscriptionReport[];
}

/** One subscription. */
export interface SubscriptionReport {
  readonly contextId: string;
  /** What it was told last; undefined: nothing yet. */
  readonly position: Position | undefined;
  /** Whether it has not been told what is new: its reader is slow, or it is on the way. */
  readonly isBehind: boolean;
}

/** Which connections; all conditions must hold. Null counts as absent. */
export interface ConnectionsOptions extends ReportPageOptions {
  readonly viewerId?: string | null | undefined;
  /** With a subscription to this context. */
  readonly contextId?: string | null | undefined;
  /** With unsent bytes, or a subscription that is not told yet what is new; that may last a moment. */
  readonly isBehind?: boolean | null | undefined;
}

/** One page, the oldest connections first. */
export type ConnectionPage = ReportPage<ConnectionReport>;

/** Where reports come from. */
export interface ReportSource {
  server(): Promise<ServerReport>;
  /** The oldest first. */
  connections(): readonly ConnectionReport[];
}

/** Reports, for administrators. */
export interface ReportVerbs {
  server(): Promise<ServerReport>;
  connections(options?: ConnectionsOptions | null): Promise<ConnectionPage>;
}

/** @returns verbs that throw ForbiddenError for whoever is no administrator. */
export function guardReports(source: ReportSource, session: Session): ReportVerbs {
  return {
    server: async () => {
      assertAdmin(session);
      return source.server();
    },
    connections: async (options) => {
      assertAdmin(session);
      return pageOf(source.connections(), options ?? {});
    },
  };
}

function pageOf(
  all: readonly ConnectionReport[],
  { viewerId, contextId, isBehind, ...page }: ConnectionsOptions,
): ConnectionPage {
  const found = all.filter(
    (connection) =>
      (viewerId == null || connection.viewerId === viewerId) &&
      (contextId == null || connection.subscriptions.some((each) => each.contextId === contextId)) &&
      (isBehind == null || isConnectionBehind(connection) === isBehind),
  );
  return toReportPage(found, page);
}

function isConnectionBehind({ unsentBytes, subscriptions }: ConnectionReport): boolean {
  return unsentBytes > 0 || subscriptions.some((each) => each.isBehind);
}
