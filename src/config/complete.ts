/** From what was given to a whole configuration: every value is checked, and what is absent has its default. */
import { ConfigError } from './config-error.ts';
import { isLoopback } from './loopback.ts';
import { type OptionName, type OptionValues, optionNames, table } from './table.ts';
import { envName, flagName, show, suggestion } from './words.ts';

/** A value as somebody gave it. `label` is where, in the words that they used. */
export interface Given {
  readonly name: OptionName;
  readonly label: string;
  readonly value: unknown;
}

/**
 * Fills in the defaults, for who embeds Chord. Undefined counts as absent.
 *
 * @throws ConfigError
 */
export function completeOptions(options: { readonly [Name in OptionName]?: unknown }): OptionValues {
  const given = Object.entries(options).flatMap(([key, value]) => {
    const name = optionNames.find((known) => known === key);
    if (name === undefined) throw new ConfigError(`There is no option ${key}.${suggestion(key, optionNames, '')}`);
    return value === undefined ? [] : [{ name, label: key, value }];
  });
  return complete(given);
}

/** The defaults under what was given, later sources over earlier ones. Every value is checked, also one that loses. */
export function complete(given: readonly Given[]): OptionValues {
  const parsed = Object.fromEntries(given.map((value) => [value.name, parse(value)]));
  const host: unknown = parsed['host'] ?? table.host.default;
  const isLocal = typeof host === 'string' && isLoopback(host);
  const values = {
    ...Object.fromEntries(optionNames.map((name) => [name, defaultOf(name, isLocal)])),
    ...parsed,
    // Each value went through the schema of its name, which is what OptionValues is made of.
  } as OptionValues;
  assertTold(given, 'contextAutoDelete', values.contextAutoDelete && values.contextTtlMs === null, 'contextTtlMs');
  assertTold(given, 'exportBeforeExpire', values.exportBeforeExpire && values.exporter === 'none', 'exporter');
  assertTold(given, 'restoreOnMiss', values.restoreOnMiss && values.provider === 'none', 'provider');
  assertTold(given, 'tlsCertFile', values.tlsCertFile !== null && values.tlsKeyFile === null, 'tlsKeyFile');
  assertTold(given, 'tlsKeyFile', values.tlsKeyFile !== null && values.tlsCertFile === null, 'tlsCertFile');
  assertTold(given, 'backend', values.backend === 'redis' && values.redisUrl === null, 'redisUrl');
  for (const name of ['redisUrl', 'redisPrefix'] as const) {
    // Two processes that keep their contexts apart would look like two that share them.
    if (values.backend === 'redis' || values[name] === table[name].default) continue;
    const label = labelOf(given, name);
    throw new ConfigError(
      `${label} is for the backend redis, and the backend is ${values.backend}. Set backend (${envName('backend')}, ${flagName('backend')}) to redis, or leave ${label} out.`,
    );
  }
  if (values.workers > 1 && values.backend !== 'redis') {
    const label = labelOf(given, 'workers');
    throw new ConfigError(
      `${label} is ${values.workers}, and several processes share the backend redis alone; the backend is ${values.backend}. Set backend (${envName('backend')}, ${flagName('backend')}) to redis, or leave ${label} out.`,
    );
  }
  for (const role of ['exporter', 'provider'] as const) {
    const url = role === 'exporter' ? 'webhookExportUrl' : 'webhookProviderUrl';
    assertTold(given, role, values[role] === 'webhook' && values[url] === null, url);
    assertTold(given, role, values[role] === 'webhook' && values.webhookSecret === null, 'webhookSecret');
    assertTold(given, role, values[role] === 's3' && values.s3Bucket === null, 's3Bucket');
  }
  return values;
}

/** @param isLocal whether only its own machine reaches the server. */
function defaultOf(name: OptionName, isLocal: boolean): unknown {
  const { default: value, isLocal: isForLocal } = table[name];
  return isForLocal === true && !isLocal ? false : value;
}

function assertTold(given: readonly Given[], name: OptionName, isMissing: boolean, missing: OptionName): void {
  if (!isMissing) return;
  const last = given.findLast((value) => value.name === name);
  throw new ConfigError(
    `${last?.label} is ${show(last?.value)}, so ${missing} (${envName(missing)}, ${flagName(missing)}) must be set.`,
  );
}

/** The option as it was written where its value comes from; its name when it has its default. */
export function labelOf(given: readonly Given[], name: OptionName): string {
  return given.findLast((value) => value.name === name)?.label ?? name;
}

function parse({ name, label, value }: Given): unknown {
  const { schema, expected, isSecret } = table[name];
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new ConfigError(`${label} is ${isSecret === true ? 'not shown' : show(value)}; expected ${expected}.`);
  }
  return result.data;
}
