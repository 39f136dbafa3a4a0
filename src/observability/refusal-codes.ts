/** With what clients are refused, for the labels of the metrics: closed lists, whatever a client sends. */

/** Codes of errors at the top level of an answer. Those that are members of results are outcomes of writes instead. */
export const refusalCodes = [
  'BAD_USER_INPUT',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'LIMIT_EXCEEDED',
  'NOT_CONFIGURED',
  'EXTERNAL_STORAGE',
  'BACKEND_UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
  'other',
] as const;

/** What `LIMIT_EXCEEDED` can name. A test compares this with what the sources say. */
export const limitNames = [
  'maxRequestBytes',
  'maxQueryTokens',
  'maxQueryAliases',
  'maxQueryDepth',
  'maxQueryCost',
  'queryTimeoutMs',
  'connectionInitTimeoutMs',
  'maxConnections',
  'maxConnectionsPerViewer',
  'maxSubscriptionsPerConnection',
  'maxSubscriptionsPerViewer',
  'requestsPerSecond',
  'writesPerSecond',
  'maxStateBytes',
  'maxStateDepth',
  'maxQueuedWrites',
  'maxQueuedCleanups',
  'hiddenIds',
  'revocations',
  'other',
] as const;

/** What a client was told. */
export type RefusalCode = (typeof refusalCodes)[number];
/** Which limit it exceeded. */
export type LimitName = (typeof limitNames)[number];

/** @param code as the answer says. */
export function toRefusalCode(code: unknown): RefusalCode {
  return refusalCodes.find((known) => known === code) ?? 'other';
}

/** @param option as the answer says. */
export function toLimitName(option: unknown): LimitName {
  return limitNames.find((known) => known === option) ?? 'other';
}
