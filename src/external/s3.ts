/** Contexts as objects of an S3 bucket. Attempts, credentials and roles are the SDK's. */
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import type { Exporter, Provider } from './external.ts';
import { fileName } from './names.ts';
import { parseRecord, readBounded } from './record.ts';

/** Which bucket, and how it is reached. */
export interface S3Target {
  readonly bucket: string;
  /** What keys begin with; may be empty. */
  readonly prefix: string;
  /** Undefined: what the SDK finds. */
  readonly region: string | undefined;
  /** Undefined: that of AWS. */
  readonly endpoint: URL | undefined;
  readonly isPathStyle: boolean;
}

/** Puts objects. The last one written stays: S3 cannot compare versions. */
export function createS3Exporter(target: S3Target): Exporter {
  const connect = connector(target);
  return {
    name: 's3',
    exportContext: async (record, { signal }) => {
      const { sdk, client } = await connect();
      signal.throwIfAborted();
      const put = new sdk.PutObjectCommand({
        ...location(target, record.id),
        Body: JSON.stringify(record),
        ContentType: 'application/json',
      });
      await client.send(put, { abortSignal: signal }).catch((error: unknown) => {
        throw explained('PutObject', target, error, signal);
      });
    },
  };
}

/** Gets what the exporter put. */
export function createS3Provider(target: S3Target): Provider {
  const connect = connector(target);
  return {
    name: 's3',
    fetchContext: async (id, { signal }) => {
      const { sdk, client } = await connect();
      signal.throwIfAborted();
      const get = new sdk.GetObjectCommand(location(target, id));
      try {
        const { Body: body } = await client.send(get, { abortSignal: signal });
        const from = `s3://${target.bucket}/${target.prefix}${fileName(id)}`;
        return parseRecord(await readBounded(streamOf(body, from), from), { id, from });
      } catch (error) {
        if (isMissing(error)) return null;
        throw explained('GetObject', target, error, signal);
      }
    },
  };
}

/** Loads the SDK at the first call: it is large, and nobody else needs it. */
function connector(target: S3Target) {
  let client: S3Client | undefined;
  return async () => {
    const sdk = await import('@aws-sdk/client-s3');
    client ??= createClient(sdk.S3Client, target);
    return { sdk, client };
  };
}

function createClient(Client: typeof S3Client, { region, endpoint, isPathStyle }: S3Target): S3Client {
  return new Client({
    forcePathStyle: isPathStyle,
    // The checksum would wrap the body in a stream that does not end the one below it.
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(region === undefined ? {} : { region }),
    // Many other storages refuse the checksums that AWS has added.
    ...(endpoint === undefined ? {} : { endpoint: endpoint.href, requestChecksumCalculation: 'WHEN_REQUIRED' }),
  });
}

function location({ bucket, prefix }: S3Target, id: string) {
  return { Bucket: bucket, Key: `${prefix}${fileName(id)}` };
}

function streamOf(body: GetObjectCommandOutput['Body'], from: string): Readable {
  if (body instanceof Readable) return body;
  throw new Error(`${from}: the answer has no body.`);
}

/** A bucket that is missing is a mistake, not an empty one. */
function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && error instanceof Error && error.name !== 'NoSuchBucket';
}

/**
 * What S3 refused, and why; never in its own words, which may repeat what was sent. What failed before it answered says
 * so itself; an abort is told by its reason.
 */
function explained(operation: string, { bucket }: S3Target, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const status = statusOf(error);
  if (status === undefined || !(error instanceof Error)) return error;
  const code = /^[A-Za-z0-9.]{1,64}$/.test(error.name) ? error.name : 'an unknown error';
  return new Error(`${operation} on the bucket ${bucket} failed: ${code} (${status}).`);
}

/** The status with which S3 answered; undefined when it did not. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata: unknown = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}
