/** Errors of connections in words, and which of them only somebody can mend who changes the URL, a right or a server. */
import { codeOf, isReply, replyText } from './outcomes.ts';

const knownReplies: readonly (readonly [start: string, problem: string])[] = [
  ['WRONGPASS', 'refuses the user or the password'],
  ['ERR invalid password', 'refuses the password'],
  ['NOAUTH', 'wants a password'],
  ['NOPERM', 'does not give this user the rights'],
  ['DENIED', 'is in protected mode'],
  ['ERR DB index', 'has no database of that number'],
  ['ERR SELECT is not allowed in cluster mode', 'is a node of a Cluster: write redis+cluster:// instead of redis://'],
  [
    'ERR This instance has cluster support disabled',
    'is no node of a Cluster: write one redis:// for one server, redis+sentinel://host1,host2/name for one with Sentinels',
  ],
];

const unknownAuthority = 'has a certificate of an authority that is not known here; NODE_EXTRA_CA_CERTS can name one';

const tlsCodes: ReadonlyMap<string, string> = new Map([
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS: write redis:// instead of rediss://'],
  ['EPROTO', 'has no TLS version or cipher in common with this program'],
  ['CERT_HAS_EXPIRED', 'has a certificate that has expired'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'has a certificate for another name'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', unknownAuthority],
  ['SELF_SIGNED_CERT_IN_CHAIN', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownAuthority],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownAuthority],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownAuthority],
]);

/**
 * How ioredis says that no Sentinel could name the master. Without an error it had asked all of them before, and begins
 * with the first one again.
 */
const noSentinel = /^All sentinels are unreachable and retry is disabled\.(?: Last error: (.*))?$/s;

/** Completes "Redis at … …". Undefined: the server may just be away. */
export function mistakeOf(error: Error): string | undefined {
  const [, ofSentinel] = noSentinel.exec(error.message) ?? [];
  if (ofSentinel !== undefined) {
    if (ofSentinel.startsWith('ERR No such master')) return 'cannot be found: no Sentinel knows a master of that name';
    if (ofSentinel.startsWith('ERR unknown command')) return 'cannot be found: these are no Sentinels';
    const problem = problemOfReply(new Error(ofSentinel));
    return problem === undefined ? undefined : `cannot be found: the Sentinel ${problem}`;
  }
  if (isReply(error)) return problemOfReply(error);
  const code = systemCodeOf(error);
  return code === undefined ? undefined : tlsCodes.get(code);
}

/** Completes "Redis at … is away: …". */
export function reasonOf(error: Error): string {
  if (isReply(error)) return replyText(error);
  if (error.message.startsWith('Socket timeout')) return 'it does not answer';
  const [isOfSentinels, ofSentinel] = noSentinel.exec(error.message) ?? [];
  if (isOfSentinels !== undefined)
    return `no Sentinel has named a master${ofSentinel === undefined ? '' : ` (${ofSentinel})`}`;
  // A name with several addresses: an error for each.
  const text = error instanceof AggregateError ? error.errors.map(String).join(', ') : error.message;
  return text === '' ? (systemCodeOf(error) ?? error.name) : text.replace(/\.$/, '');
}

function problemOfReply(reply: Error): string | undefined {
  const problem = knownReplies.find(([start]) => reply.message.startsWith(start))?.[1];
  const text = replyText(reply);
  // Some give advice that goes on and on.
  return problem && `${problem} (${text.length > 120 ? codeOf(reply) : text})`;
}

function systemCodeOf(error: Error): string | undefined {
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : undefined;
}
