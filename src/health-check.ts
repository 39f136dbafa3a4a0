/**
 * Asks the server beside it, in the same container, whether it lives: exit code 0 if it does, else 1.
 *
 * A program of its own, since an image needs neither a shell nor curl for it, and loading the server's own configuration
 * every few seconds would cost more than it is worth. So it knows the variables, and not the file or the flags: of TLS
 * it finds out by itself, a port must be in CHORD_PORT.
 */
import * as http from 'node:http';
import * as https from 'node:https';

const { CHORD_HOST: host = '127.0.0.1', CHORD_PORT: port = '4000', CHORD_TLS_CERT_FILE: certFile = '' } = process.env;
const timeoutMs = 2_000;

if (!(await lives())) {
  process.stderr.write(`Nobody answers at ${host}:${port}/live.\n`);
  process.exitCode = 1;
}

async function lives(): Promise<boolean> {
  const [first, second] = certFile === '' ? [http, https] : [https, http];
  return (await ask(first)) || ask(second);
}

function ask({ get }: Pick<typeof https, 'get'>): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      {
        host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host,
        port,
        path: '/live',
        agent: false,
        // It asks whether somebody answers, and tells no secret: a certificate is for the name that clients use.
        rejectUnauthorized: false,
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.on('error', () => resolve(false));
  });
}
