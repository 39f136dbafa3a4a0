/** Signatures after the Standard Webhooks specification, symmetric ones (`v1`). */
import { createHash, createHmac } from 'node:crypto';
import type { ExportedContext } from './external.ts';

/** A message as it is sent: the same in every attempt. */
export interface Message {
  /** Without dots: what is signed has one after it. */
  readonly id: string;
  readonly body: string;
}

/**
 * The key in a secret: of `whsec_<base64>` what the base64 says, of anything else its UTF-8 bytes.
 *
 * @returns undefined when `whsec_` is followed by no base64.
 */
export function keyOf(secret: string): Buffer | undefined {
  const [, base64] = /^whsec_(.*)$/s.exec(secret) ?? [];
  if (base64 === undefined) return Buffer.from(secret);
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : undefined;
}

/** The same for every attempt to export one version, also by another process: a receiver can drop doubles by it. */
export function exportMessageId({ id, epoch, version }: ExportedContext): string {
  const hash = createHash('sha256').update(JSON.stringify([id, epoch, version]));
  return `export_${hash.digest('base64url')}`;
}

/** The headers that sign a message at a moment. */
export function signatureHeaders(key: Buffer, { id, body }: Message, nowMs: number): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
