/** Two certificates, the files that a server reads, and one of them in these. */

import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { type Certificate, createCertificate } from '../support/redis/certificate.ts';
import { soon } from '../support/wait.ts';

export interface CertificateStage {
  /** Of two days each. */
  readonly first: Certificate;
  readonly second: Certificate;
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  /** Puts one into the files, one file after the other. */
  use(certificate: Certificate): void;
  remove(): void;
}

export async function openCertificateStage(): Promise<CertificateStage> {
  const home = mkdtempSync(join(tmpdir(), 'chord-tls-'));
  const make = (name: string) => {
    mkdirSync(join(home, name));
    return createCertificate(join(home, name));
  };
  const [tlsCertFile, tlsKeyFile] = [join(home, 'cert.pem'), join(home, 'key.pem')];
  return {
    first: await make('first'),
    second: await make('second'),
    tlsCertFile,
    tlsKeyFile,
    use: ({ certPath, keyPath }) => {
      copyFileSync(certPath, tlsCertFile);
      copyFileSync(keyPath, tlsKeyFile);
    },
    remove: () => rmSync(home, { recursive: true }),
  };
}

/** The serial number of the certificate that a new connection is shown. */
export async function shownOn(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await soon('the handshake', once(socket, 'secureConnect'));
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}
