/** The exporters and providers that have names, and the check of those that the user brings. */
import type { Exporter, Provider } from './external.ts';
import { createFileExporter, createFileProvider } from './file.ts';
import { createS3Exporter, createS3Provider, type S3Target } from './s3.ts';
import { keyOf } from './signature.ts';
import { createWebhookExporter, createWebhookProvider, type WebhookTarget } from './webhook.ts';

/** What an exporter or a provider can be by name. */
export type ExternalName = 'none' | 'file' | 'webhook' | 's3';

/** The options of src/config/table.ts that say where contexts go and come from. */
export interface ExternalConfig {
  /** A name, or an object of the user's with `exportContext`. */
  readonly exporter: ExternalName | object;
  /** A name, or an object of the user's with `fetchContext`. */
  readonly provider: ExternalName | object;
  readonly exportDir: string;
  readonly webhookExportUrl: string | null;
  readonly webhookProviderUrl: string | null;
  readonly webhookSecret: string | null;
  readonly s3Bucket: string | null;
  readonly s3Prefix: string | null;
  readonly s3Region: string | null;
  readonly s3Endpoint: string | null;
  readonly s3PathStyle: boolean;
}

/**
 * The exporter that the configuration asks for; undefined when it wants none.
 *
 * @throws TypeError that begins with the name of the option that cannot be used. It shows no value.
 */
export function createExporter(config: ExternalConfig): Exporter | undefined {
  switch (config.exporter) {
    case 'none':
      return undefined;
    case 'file':
      return createFileExporter(config.exportDir);
    case 'webhook':
      return createWebhookExporter(webhookTarget(config, 'webhookExportUrl'));
    case 's3':
      return createS3Exporter(s3Target(config));
    default:
      return ownExporter(config.exporter);
  }
}

/**
 * The provider that the configuration asks for; undefined when it wants none.
 *
 * @throws TypeError like `createExporter`.
 */
export function createProvider(config: ExternalConfig): Provider | undefined {
  switch (config.provider) {
    case 'none':
      return undefined;
    case 'file':
      return createFileProvider(config.exportDir);
    case 'webhook':
      return createWebhookProvider(webhookTarget(config, 'webhookProviderUrl'));
    case 's3':
      return createS3Provider(s3Target(config));
    default:
      return ownProvider(config.provider);
  }
}

function ownExporter(given: object): Exporter {
  if (!hasMethod(given, 'exportContext')) throw new TypeError('exporter: has no method exportContext.');
  // Its method was seen; what it takes and answers is between the contract and its author.
  const own = given as Exporter;
  if (isName(own.name)) return own;
  return { name: 'custom', exportContext: (record, call) => own.exportContext(record, call) };
}

function ownProvider(given: object): Provider {
  if (!hasMethod(given, 'fetchContext')) throw new TypeError('provider: has no method fetchContext.');
  // As above.
  const own = given as Provider;
  if (isName(own.name)) return own;
  return { name: 'custom', fetchContext: (id, call) => own.fetchContext(id, call) };
}

function hasMethod(given: object, method: string): boolean {
  return typeof Reflect.get(given, method) === 'function';
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && name !== '';
}

function webhookTarget(config: ExternalConfig, option: 'webhookExportUrl' | 'webhookProviderUrl'): WebhookTarget {
  const url = parseUrl(option, config[option]);
  const key = keyOf(config.webhookSecret ?? '');
  if (key === undefined || key.length === 0) {
    throw new TypeError('webhookSecret: expected a text that is not empty, or whsec_ and base64.');
  }
  return { url, key };
}

function s3Target({ s3Bucket, s3Prefix, s3Region, s3Endpoint, s3PathStyle }: ExternalConfig): S3Target {
  if (s3Bucket === null || s3Bucket === '') throw new TypeError('s3Bucket: expected the name of a bucket.');
  const endpoint = s3Endpoint === null ? undefined : parseUrl('s3Endpoint', s3Endpoint);
  if (endpoint !== undefined && (endpoint.username !== '' || endpoint.password !== '' || endpoint.search !== '')) {
    throw new TypeError('s3Endpoint: expected a URL without credentials or query; credentials are for the AWS SDK.');
  }
  return {
    bucket: s3Bucket,
    prefix: s3Prefix ?? '',
    region: s3Region ?? undefined,
    endpoint,
    isPathStyle: s3PathStyle,
  };
}

function parseUrl(option: string, text: string | null): URL {
  const url = text !== null && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || !areDecodable(url)) {
    throw new TypeError(`${option}: expected a URL of http or https.`);
  }
  return url;
}

/** A URL may hold percent signs that stand for nothing. */
function areDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username}:${password}`);
    return true;
  } catch {
    return false;
  }
}
