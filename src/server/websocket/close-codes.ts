/** WebSocket close codes of ours, beside those of the graphql-transport-ws protocol. docs/protocol.md lists them all. */
export const ServerCloseCode = {
  /** The server restarts: connect again. Clients of graphql-ws retry it. (RFC 6455, registered as "Service Restart".) */
  ServiceRestart: 1012,
  /** Who asks cannot be found out now. (RFC 6455, registered as "Try Again Later".) */
  TryAgainLater: 1013,
  /** Nothing could be written for `slowReaderTimeoutMs`: connect again and resume. */
  SlowReader: 4800,
} as const;
