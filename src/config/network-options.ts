import { integer, maxTimerMs, networks, option, orNone, text } from './kinds.ts';

/** The part of the table that says where the server listens, and what it believes of those that stand before it. */
export const networkOptions = {
  host: option(text(), {
    default: '127.0.0.1',
    description: 'Address to listen on; 0.0.0.0 is every IPv4 address of the machine.',
  }),
  port: option(integer(0, 65_535), { default: 4000, description: 'TCP port to listen on; 0 is any free one.' }),
  workers: option(integer(1, 256), {
    default: 1,
    unit: 'processes',
    description:
      'How many processes serve the port, each of which uses one core; more than one need the backend redis (docs/deployment.md). For the command alone.',
  }),
  workerTimeoutMs: option(integer(1, maxTimerMs()), {
    default: 30_000,
    unit: 'ms',
    description: 'A worker that hangs for so long is killed, and another takes its place.',
  }),
  tlsCertFile: option(orNone(text()), {
    default: null,
    description:
      'The file with the certificate as PEM, those of its issuers after it: clients speak TLS (https, wss). Read again when it changes; needs tlsKeyFile.',
  }),
  tlsKeyFile: option(orNone(text()), {
    default: null,
    description: 'The file with the private key of tlsCertFile as PEM, without a passphrase; read again with it.',
  }),
  trustedProxies: option(networks(), {
    default: [],
    description:
      'Proxies whose X-Forwarded-For, -Proto and -Host are believed (docs/deployment.md): addresses, ranges, loopback, private. From anybody else these headers are ignored.',
  }),
  metricsPort: option(orNone(integer(0, 65_535)), {
    default: null,
    description: 'TCP port of /metrics for Prometheus (docs/metrics.md), 0 is any free one; none counts nothing.',
  }),
  metricsHost: option(text(), {
    default: '127.0.0.1',
    description: 'Address that /metrics is at. Whoever reaches it reads the figures: no credentials are asked for.',
  }),
};
