/** What callers ask of a write, checked and copied. */
import { createHash } from 'node:crypto';
import { configure } from 'safe-stable-stringify';
import type { SetOptions } from './chord.ts';
import type { WriteRequest } from './decide.ts';
import { assertKnownOptions, parseEpoch, parseId, parseLabel, parseTtlMs, parseVersion } from './input.ts';

/** What callers bring along; what they restore comes from elsewhere. */
export type OwnAction = Exclude<WriteRequest['action'], { readonly verb: 'restore' }>;

/** The request for an action whose state or changes were parsed already, under conditions as the caller gave them. */
export function parseWrite(
  { id, writeId, action }: { readonly id: string; readonly writeId: string; readonly action: OwnAction },
  options: SetOptions,
): WriteRequest {
  assertKnownOptions(options, optionNamesOf[action.verb]);
  const idempotencyKey = parseLabel('idempotencyKey', options.idempotencyKey);
  const expectedVersion = parseVersion('expectedVersion', options.expectedVersion);
  const expectedEpoch = parseEpoch('expectedEpoch', options.expectedEpoch);
  const ttlMs = parseTtlMs(options.ttlMs);
  const origin = parseLabel('origin', options.origin);
  return {
    id: parseId('id', id),
    writeId,
    action,
    expectedVersion,
    expectedEpoch,
    ttlMs,
    origin,
    idempotency:
      idempotencyKey === undefined
        ? undefined
        : {
            key: idempotencyKey,
            requestHash: hashRequest({ ...action, expectedVersion, expectedEpoch, ttlMs, origin }),
          },
  };
}

const conditionNames = ['expectedVersion', 'expectedEpoch', 'idempotencyKey', 'origin'];
const optionNamesOf: Readonly<Record<OwnAction['verb'], ReadonlySet<string>>> = {
  set: new Set([...conditionNames, 'ttlMs']),
  update: new Set([...conditionNames, 'ttlMs', 'remove']),
  delete: new Set(conditionNames),
};

const stringify = configure({ deterministic: true });

/** Of the verb and its arguments but the key, whatever the order of their keys. */
function hashRequest(request: object): string {
  return createHash('sha256')
    .update(stringify(request) ?? '')
    .digest('base64url');
}
