/** The storages behind the built-in exporters and providers, all real, and full of what must never be seen elsewhere. */
import { createHmac } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { onTestFinished, vi } from 'vitest';
import type { AppOptions } from '../../src/app/app.ts';
import { fileName } from '../../src/external/names.ts';
import { temporaryDirectory } from '../support/lmdb.ts';
import { type S3Server, s3Credentials } from '../support/s3-server/s3-server.ts';
import { type Answer, json, type Received, Receiver } from './receiver.ts';

/** One storage, and how a server is told of it. */
export interface Storage {
  readonly name: 'file' | 'webhook' | 's3';
  /** For a server that exports into it, and restores from it. */
  readonly options: AppOptions;
  /** What no answer and no line of a log may hold. */
  readonly secrets: readonly string[];
  /** What it has of a context; undefined: nothing. */
  read(id: string): Promise<string | undefined>;
}

/** A directory, which the server has to make. */
export function openDirectory(exportDir = join(temporaryDirectory(), 'exports')): Storage {
  return {
    name: 'file',
    options: { exporter: 'file', provider: 'file', exportDir },
    secrets: [],
    read: (id) => readFile(join(exportDir, fileName(id)), 'utf8').catch(() => undefined),
  };
}

/** A directory that cannot be made, because a file is in its way, until that is removed. */
export async function openBlockedDirectory(): Promise<Storage & { readonly mend: () => Promise<void> }> {
  const blocking = join(temporaryDirectory(), 'taken');
  await writeFile(blocking, '');
  return { ...openDirectory(join(blocking, 'exports')), mend: () => rm(blocking) };
}

const keyText = 'k3y-of-the-hmac';
const webhookSecret = `whsec_${Buffer.from(keyText).toString('base64')}`;
const credentials = 'us3r:p4ss';
/** Each in a place of its own: credentials, path and query. */
const urlSecrets = ['us3r', 'p4ss', 'p4th-t0ken', 'qu3ry-t0ken', Buffer.from(credentials).toString('base64')];

/** The options of a server whose webhooks are at an origin. */
export function webhooksAt(origin: string): Pick<Storage, 'name' | 'options' | 'secrets'> {
  const base = origin.replace('//', `//${credentials}@`);
  return {
    name: 'webhook',
    options: {
      exporter: 'webhook',
      webhookExportUrl: `${base}/export/p4th-t0ken?key=qu3ry-t0ken`,
      provider: 'webhook',
      webhookProviderUrl: `${base}/fetch/p4th-t0ken?key=qu3ry-t0ken`,
      webhookSecret,
    },
    secrets: [...urlSecrets, keyText, webhookSecret],
  };
}

/** A web service, which may be told to answer otherwise for a while. */
export interface WebService extends Storage {
  readonly receiver: Receiver;
  answerBy: Answer | undefined;
}

/** One that takes what is signed, and keeps it. */
export async function openWebService(): Promise<WebService> {
  const records = new Map<string, string>();
  const receiver = await Receiver.start((response, received, count) => {
    if (service.answerBy !== undefined) service.answerBy(response, received, count);
    else if (!isSigned(received)) json(response, 401, {});
    else if (received.url.startsWith('/export/')) {
      records.set(idIn(received), received.body);
      response.writeHead(204).end();
    } else {
      const record = records.get(idIn(received));
      response.writeHead(record === undefined ? 404 : 200).end(record);
    }
  });
  const service: WebService = {
    ...webhooksAt(receiver.origin),
    receiver,
    answerBy: undefined,
    read: async (id) => records.get(id),
  };
  return service;
}

/** Answers with everything that it was sent, as careless services do when they fail. */
export function echo(status: number): Answer {
  return (response, { url, headers, body }) => json(response, status, { url, headers, body });
}

function idIn({ body }: Received): string {
  // Signed, so it is one of the two that Chord sends.
  return (JSON.parse(body) as { readonly id: string }).id;
}

function isSigned({ headers, body }: Received): boolean {
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const signature = createHmac('sha256', keyText).update(content).digest('base64');
  const isForUs = headers.authorization === `Basic ${Buffer.from(credentials).toString('base64')}`;
  return isForUs && headers['webhook-signature'] === `v1,${signature}`;
}

/** A bucket, and the one who made it. */
export interface Bucket extends Storage {
  create(): Promise<void>;
}

let prefixes = 0;

/** A folder of its own in a bucket, which need not be there. */
export function openBucket({ url }: Pick<S3Server, 'url'>, bucket = 'contexts'): Bucket {
  const s3Prefix = `chord-${++prefixes}/`;
  const client = new S3Client({ endpoint: url, region, credentials: s3Credentials, forcePathStyle: true });
  onTestFinished(() => client.destroy());
  const target = { s3Endpoint: url, s3Bucket: bucket, s3Prefix, s3Region: region, s3PathStyle: true };
  return {
    name: 's3',
    options: { exporter: 's3', provider: 's3', ...target },
    secrets: [],
    read: async (id) => {
      const get = new GetObjectCommand({ Bucket: bucket, Key: s3Prefix + fileName(id) });
      const found = await client.send(get).catch(() => undefined);
      return found?.Body?.transformToString();
    },
    // Unsigned: the SDK signs what makes a bucket in another way than this server does.
    create: async () => void (await fetch(`${url}/${bucket}`, { method: 'PUT' })),
  };
}

const region = 'eu-central-1';

/** Credentials where the SDK looks first, and nothing of the machine's own. Undone with `vi.unstubAllEnvs`. */
export function stubCredentials({ accessKeyId, secretAccessKey }: S3Credentials = s3Credentials): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  for (const name of ['AWS_SESSION_TOKEN', 'AWS_PROFILE', 'AWS_REGION', 'AWS_MAX_ATTEMPTS'])
    vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/dev/null');
}

/** What S3 knows somebody by. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
