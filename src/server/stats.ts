/** How many transports are in use. */
export interface ServerStats {
  readonly webSockets: number;
}
