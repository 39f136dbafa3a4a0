import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { needProgram } from '../programs.ts';

/** A key for 127.0.0.1 and localhost, and the certificate that says so, signed with itself. */
export interface Certificate {
  readonly keyPath: string;
  readonly certPath: string;
  /** The certificate: what a client is to trust. */
  readonly pem: string;
}

/** Makes one in the directory, by openssl: Node can read certificates, not make them. */
export async function createCertificate(directory: string): Promise<Certificate> {
  const openssl = await needProgram(['openssl'], 'openssl');
  const keyPath = join(directory, 'key.pem');
  const certPath = join(directory, 'cert.pem');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  await promisify(execFile)(openssl, ['req', '-x509', '-days', '2', ...key, '-out', certPath, ...names], {
    timeout: 30_000,
  });
  return { keyPath, certPath, pem: await readFile(certPath, 'utf8') };
}
