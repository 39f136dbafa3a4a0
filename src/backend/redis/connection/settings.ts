/** What the settings of the servers mean for what is stored. */
import { BackendUnavailableError, RedisStoreError } from '../../../errors.ts';
import { listOf } from '../replies.ts';
import type { Info } from './info.ts';
import type { Log } from './log.ts';
import { isReply } from './outcomes.ts';

/** How one master is set up. */
export interface ServerSettings {
  /** INFO. */
  readonly info: Info;
  /** Of CONFIG; undefined when this user may not ask, as with many services. */
  readonly config?:
    | { readonly appendfsync: string; readonly save: string; readonly noAppendfsyncOnRewrite: string }
    | undefined;
}

/** What asks the servers. */
interface Asker {
  infos(): Promise<readonly Info[]>;
  settings(name: string): Promise<readonly unknown[]>;
}

/** Asks every master. @throws BackendUnavailableError when one is away. */
export async function readSettings(client: Asker): Promise<readonly ServerSettings[]> {
  const infos = await client.infos();
  const names = ['appendfsync', 'save', 'no-appendfsync-on-rewrite'];
  const [appendfsync, save, onRewrite] = await Promise.all(names.map((name) => ask(client, name)));
  return infos.map((info, index) => {
    const [policy, points] = [appendfsync?.[index], save?.[index]];
    if (policy === undefined || points === undefined) return { info };
    const config = { appendfsync: policy, save: points, noAppendfsyncOnRewrite: onRewrite?.[index] ?? 'no' };
    return { info, config };
  });
}

/** Undefined: this user may not ask. */
async function ask(client: Asker, name: string): Promise<readonly (string | undefined)[] | undefined> {
  try {
    const replies = await client.settings(name);
    return replies.map((reply) => {
      const [, value] = listOf(reply);
      return typeof value === 'string' ? value : undefined;
    });
  } catch (error) {
    // Anything else than an answer says nothing about rights.
    if (error instanceof BackendUnavailableError && isAnswer(error.cause)) return undefined;
    throw error;
  }
}

function isAnswer(cause: unknown): boolean {
  return isReply(cause) || cause instanceof RedisStoreError;
}

/** One sentence for each way to lose what was acknowledged. */
export function judgeSettings(servers: readonly ServerSettings[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const warning of servers.flatMap(warningsOf)) counts.set(warning, (counts.get(warning) ?? 0) + 1);
  return [...counts].map(([warning, count]) => {
    const whose = count === servers.length ? '' : ` (${count} of ${servers.length} masters)`;
    return `Redis${whose} ${warning}.`;
  });
}

function warningsOf({ info, config }: ServerSettings): readonly string[] {
  const warnings: string[] = [];
  if (config === undefined) {
    warnings.push('does not let CONFIG GET be called, so it is not known how soon what is written is on its disk');
  }
  if (info.get('aof_enabled') === '0') {
    warnings.push(
      config?.save === ''
        ? 'keeps nothing on a disk: all contexts are lost when it ends; set appendonly yes'
        : 'has no append-only file: what was written since the last snapshot is lost when it ends; set appendonly yes',
    );
  } else if (config?.appendfsync === 'everysec') {
    warnings.push('loses up to two seconds of acknowledged writes when its machine fails; set appendfsync always');
  } else if (config?.appendfsync === 'no') {
    warnings.push(
      'loses acknowledged writes, half a minute of them or more, when its machine fails; set appendfsync always',
    );
  }
  const isFlushed = info.get('aof_enabled') !== '0' && config !== undefined && config.appendfsync !== 'no';
  if (isFlushed && config.noAppendfsyncOnRewrite === 'yes') {
    warnings.push(
      'loses up to 30 seconds of acknowledged writes when its machine fails while it saves or rewrites its log; set no-appendfsync-on-rewrite no',
    );
  }
  const policy = info.get('maxmemory_policy');
  if (Number(info.get('maxmemory')) > 0 && policy !== undefined && policy !== 'noeviction') {
    warnings.push(`throws data away when its memory is full (${policy}); set maxmemory-policy noeviction`);
  }
  // Only with min-replicas-to-write does INFO have the line.
  if (Number(info.get('connected_slaves')) > 0 && !info.has('min_slaves_good_slaves')) {
    warnings.push(
      'goes on without its replicas: a fail-over then loses what they have not got; set min-replicas-to-write 1',
    );
  }
  return warnings;
}

/** Says once what is wrong with the settings. Nothing when that cannot be found out. */
export async function warnOfSettings(client: Asker, onLog: Log): Promise<void> {
  let servers: readonly ServerSettings[];
  try {
    servers = await readSettings(client);
  } catch {
    // Away, which there is a line of its own for, or closed.
    return;
  }
  for (const text of judgeSettings(servers)) onLog({ level: 'warn', text });
}
