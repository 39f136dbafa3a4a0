/** What a start comes to. A file of its own: declarations of the package must not lead to those of the server. */
export interface Started {
  readonly url: string;
  readonly isReady: boolean;
  readonly metricsUrl?: string;
}
