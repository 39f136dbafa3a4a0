import { randomBytes } from 'node:crypto';
import { until } from '../wait.ts';
import { quoted, type RedisServer, startRedis } from './server.ts';

/** How to start a master with replicas, and the sentinels that watch it. */
export interface SentinelOptions {
  /** Default 2. */
  readonly replicas?: number;
  /** Default 3; most of them have to agree that the master is dead. */
  readonly sentinels?: number;
  /** After which a sentinel holds a server to be dead. Default 2000: a busy machine keeps one silent for a second. */
  readonly downAfterMs?: number;
  /** Of master and replicas. */
  readonly args?: readonly string[];
  /** Of the user `default`, of all: servers and sentinels. */
  readonly password?: string;
}

const name = 'chord';

/** Starts such a set. It takes half a second: each sentinel is told of the replicas and of the sentinels before it. */
export async function startSentinel(options: SentinelOptions = {}): Promise<RedisSentinel> {
  const { replicas = 2, sentinels = 3, downAfterMs = 2_000, args = [], password } = options;
  const login = password === undefined ? {} : { password };
  const set: { readonly servers: RedisServer[]; readonly sentinels: RedisServer[] } = { servers: [], sentinels: [] };
  const result = new RedisSentinel(set);
  try {
    const master = await startRedis({ args, ...login });
    set.servers.push(master);
    const replica = { args, role: () => [`replicaof 127.0.0.1 ${master.port}`], ...login };
    for (let index = 0; index < replicas; index += 1) set.servers.push(await startRedis(replica));

    const watched = [
      `sentinel monitor ${name} 127.0.0.1 ${master.port} ${Math.floor(sentinels / 2) + 1}`,
      `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
      `sentinel failover-timeout ${name} 5000`,
      ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${quoted(password)}`]),
      ...set.servers.slice(1).map(({ port }) => `sentinel known-replica ${name} 127.0.0.1 ${port}`),
    ];
    const known: string[] = [];
    for (let index = 0; index < sentinels; index += 1) {
      const id = randomBytes(20).toString('hex');
      const sentinel = await startRedis({
        isSentinel: true,
        role: () => [`sentinel myid ${id}`, ...watched, ...known],
        ...login,
      });
      set.sentinels.push(sentinel);
      known.push(`sentinel known-sentinel ${name} 127.0.0.1 ${sentinel.port} ${id}`);
      await hurry(sentinel);
    }
    await result.settled();
    return result;
  } catch (error) {
    await result.stop();
    throw error;
  }
}

/** A master, its replicas and its sentinels, all ours. */
export class RedisSentinel {
  /** What sentinels and clients call the master. */
  readonly name = name;
  /** Master and replicas. */
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];

  constructor({ servers, sentinels }: Pick<RedisSentinel, 'servers' | 'sentinels'>) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  /** `redis+sentinel://` with the addresses of the sentinels and the name of the master; with the password. */
  get url(): string {
    const password = encodeURIComponent(this.sentinels[0]?.password ?? '');
    const [login, query] = password === '' ? ['', ''] : [`:${password}@`, `?sentinelPassword=${password}`];
    return `redis+sentinel://${login}${this.sentinels.map(({ address }) => address).join(',')}/${name}${query}`;
  }

  /** Whom the first sentinel that runs calls master. */
  async master(): Promise<RedisServer> {
    const [sentinel] = running(this.sentinels);
    if (sentinel === undefined) throw new Error('No sentinel runs.');
    const port = await masterPort(sentinel);
    const master = this.servers.find((server) => server.port === port);
    if (master === undefined) throw new Error(`The sentinel calls 127.0.0.1:${port} master, which is not ours.`);
    return master;
  }

  /** The other servers that run. */
  async replicas(): Promise<readonly RedisServer[]> {
    const master = await this.master();
    return running(this.servers).filter((server) => server !== master);
  }

  /**
   * Has the sentinels promote a replica, and resolves when all follow it. The master is not asked: what the replica has
   * not got is lost.
   */
  async failover(): Promise<RedisServer> {
    const [sentinel] = running(this.sentinels);
    const before = await this.master();
    await until('the sentinels to begin', async () =>
      Promise.resolve(sentinel?.cli('SENTINEL', 'FAILOVER', name)).then(
        () => true,
        // It needs fresh news of a replica first, or is still busy with the last one.
        (error: unknown) => !/NOGOODSLAVE|INPROG/.test(String(error)),
      ),
    );
    await until('another master', async () => (await this.master()) !== before);
    await this.settled();
    return this.master();
  }

  /** Starts a sentinel again that was killed. */
  async startAgain(sentinel: RedisServer): Promise<void> {
    await sentinel.start();
    await hurry(sentinel);
  }

  /**
   * Resolves when all sentinels that run name the same master, which is one, none of them is changing that, and all other
   * servers that run follow it.
   */
  async settled(): Promise<void> {
    await until('the sentinels to settle', () => this.#isSettled().catch(() => false), 120_000);
  }

  async #isSettled(): Promise<boolean> {
    const master = await this.master();
    for (const sentinel of running(this.sentinels)) {
      if ((await masterPort(sentinel)) !== master.port) return false;
      // Who leads a fail-over names the new master before its end. Another one in the meantime it would overrule.
      if ((await flagsOfMaster(sentinel)) !== 'master') return false;
      // Fails while too few of the sentinels can be reached.
      await sentinel.cli('SENTINEL', 'CKQUORUM', name);
    }
    const others = running(this.servers).filter((server) => server !== master);
    const replications = await Promise.all(others.map((server) => server.info('replication')));
    const own = await master.info('replication');
    return (
      own.get('role') === 'master' &&
      own.get('connected_slaves') === String(others.length) &&
      replications.every(
        (replication) =>
          replication.get('master_port') === String(master.port) && replication.get('master_link_status') === 'up',
      )
    );
  }

  /** Every change of the master since the beginning, by whomever it was asked for, as the sentinels logged it. */
  async switches(): Promise<readonly Switch[]> {
    const logs = await Promise.all(this.sentinels.map((sentinel) => sentinel.log()));
    return switchesOf(logs.flatMap((log) => log.split('\n')));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Another master. Moments in ms since the Unix epoch. */
export interface Switch {
  /** Its address. */
  readonly to: string;
  /** When the first sentinel that held the old one to be dead, or was asked, did so. */
  readonly fromMs: number;
  /** When the last sentinel knew. */
  readonly toMs: number;
}

/** A sentinel that was away hears of a switch when it is back; two of the same kind are further from each other. */
const sameMs = 10_000;

/** From lines such as `7:X 31 Jan 2030 12:00:00.000 # +switch-master chord 127.0.0.1 1 127.0.0.1 2`. */
function switchesOf(lines: readonly string[]): readonly Switch[] {
  const events = lines
    .flatMap((line) => {
      const [, moment = '', event = '', rest = ''] =
        /^\d+:X (\d+ \w+ \d+ [\d:.]+) \S (\+sdown|\+try-failover|\+switch-master) (.*)$/.exec(line) ?? [];
      const addresses = [...rest.matchAll(/ (127\.0\.0\.1) (\d+)/g)].map(([, host, port]) => `${host}:${port}`);
      // Replicas and sentinels are held to be dead, too.
      const isMaster = event === '+switch-master' || rest.startsWith('master ');
      return isMaster && event !== '' ? [{ atMs: Date.parse(moment), event, addresses }] : [];
    })
    .toSorted((a, b) => a.atMs - b.atMs);
  const switches: (Switch & { readonly from: string })[] = [];
  for (const { atMs, event, addresses } of events) {
    const [from = '', to = ''] = addresses;
    if (event !== '+switch-master') continue;
    const known = switches.findLastIndex((each) => each.from === from && each.to === to && atMs - each.toMs < sameMs);
    const begun = events.find((each) => each.addresses[0] === from && atMs - each.atMs < sameMs && each.atMs <= atMs);
    const fromMs = switches[known]?.fromMs ?? begun?.atMs ?? atMs;
    switches.splice(known === -1 ? switches.length : known, 1, { from, to, fromMs, toMs: atMs });
  }
  return switches;
}

/**
 * A server that comes back as a second master is noticed after 1 s and made a replica after 1 s more, not 10 and 8. It
 * forgets that when it ends.
 */
async function hurry(sentinel: RedisServer): Promise<void> {
  await sentinel.cli('SENTINEL', 'DEBUG', 'INFO-PERIOD', 1_000, 'PUBLISH-PERIOD', 250);
}

function running(servers: readonly RedisServer[]): readonly RedisServer[] {
  return servers.filter((server) => server.isRunning && !server.isPaused);
}

async function masterPort(sentinel: RedisServer): Promise<number> {
  // Host and port; null for a name that it does not know.
  const address = (await sentinel.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as readonly string[] | null;
  return Number(address?.[1]);
}

/** Such as `master` alone, or with `s_down`, `o_down`, `failover_in_progress`. */
async function flagsOfMaster(sentinel: RedisServer): Promise<string | undefined> {
  // Names and values in turn.
  const fields = (await sentinel.cli('SENTINEL', 'MASTER', name)) as readonly string[];
  return fields[fields.indexOf('flags') + 1];
}
