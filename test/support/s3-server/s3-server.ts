/**
 * A real server that speaks S3, on a free port.
 *
 * It is no dependency of the project: the first test that needs it installs what the lock file beside this one says
 * into node_modules/.cache, where later runs find it.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installTimeoutMs } from '../programs.ts';
import { soon } from '../wait.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const cache = fileURLToPath(new URL('../../../node_modules/.cache/chord-s3-server', import.meta.url));
const files = ['package.json', 'package-lock.json', '.npmrc', 'serve.js'] as const;

/** The only credentials that it knows. */
export const s3Credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' } as const;

/** A server with one empty bucket. */
export class S3Server {
  readonly url: string;
  readonly bucket: string;
  readonly #process: ChildProcess;
  readonly #data: string;

  private constructor(process: ChildProcess, options: { url: string; bucket: string; data: string }) {
    this.#process = process;
    this.#data = options.data;
    this.url = options.url;
    this.bucket = options.bucket;
  }

  /** @throws an error that names the package, when it is not there and cannot be installed. */
  static async start(bucket = 'contexts'): Promise<S3Server> {
    const home = await installed();
    const data = await mkdtemp(join(tmpdir(), 'chord-s3-'));
    const child = fork(join(home, 'serve.js'), [data, bucket], { cwd: home, execArgv: [] });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`The S3 server ended with ${code} before it listened.`);
    });
    const [started] = await soon('the S3 server listens', Promise.race([once(child, 'message'), ended]));
    ended.catch(() => undefined);
    // What serve.js sends.
    const { port } = started as { readonly port: number };
    return new S3Server(child, { url: `http://127.0.0.1:${port}`, bucket, data });
  }

  async stop(): Promise<void> {
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
    await rm(this.#data, { recursive: true });
  }
}

/** Where the server is installed as the lock file says. */
async function installed(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(join(here, file)));
  const home = join(cache, hash.digest('hex').slice(0, 16));
  if (await isThere(home)) return home;

  await mkdir(cache, { recursive: true });
  const building = await mkdtemp(join(cache, 'building-'));
  try {
    for (const file of files) await cp(join(here, file), join(building, file));
    // Said outright: npm tells what it runs, such as these tests, where its own project is.
    const args = ['ci', '--prefix', building, '--ignore-scripts', '--no-audit', '--no-fund'];
    await promisify(execFile)('npm', args, { cwd: building, timeout: installTimeoutMs });
    // Whole or not at all; another test run may have been faster.
    await rename(building, home).catch(async (error: unknown) => {
      if (!(await isThere(home))) throw error;
    });
    return home;
  } catch (error) {
    const message = 'This test needs an S3 server: npm cannot install the package "@20minutes/s3rver"';
    throw new Error(`${message} (test/support/s3-server/package-lock.json).`, { cause: error });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
