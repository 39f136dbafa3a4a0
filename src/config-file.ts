import type { OwnAuthenticate } from './access/own.ts';
import type { ConfigFile as AnyConfigFile } from './config/config.ts';
import type { DeltaFormatter } from './delta/format.ts';
import type { ExternalName } from './external/builtin.ts';
import type { Exporter, Provider } from './external/external.ts';

/** What `chord.config.js` exports as its default. */
export interface ConfigFile extends Omit<AnyConfigFile<DeltaFormatter>, 'exporter' | 'provider' | 'authenticate'> {
  /** The name of a built-in exporter, or one of yours. */
  readonly exporter?: ExternalName | Exporter | undefined;
  /** The name of a built-in provider, or one of yours. */
  readonly provider?: ExternalName | Provider | undefined;
  /** Says who asks, instead of API keys and tokens. */
  readonly authenticate?: OwnAuthenticate | undefined;
}

/** Lets an editor complete and check the object in `chord.config.js`. Answers its argument. */
export function defineConfig(config: ConfigFile): ConfigFile {
  return config;
}
