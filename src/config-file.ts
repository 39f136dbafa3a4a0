import { type ConfigFile as AnyConfigFile, defineConfig as define } from './config/config.ts';
import type { DeltaFormatter } from './delta/format.ts';

/** What `chord.config.js` exports as its default. */
export type ConfigFile = AnyConfigFile<DeltaFormatter>;

/** Lets an editor complete and check the object in `chord.config.js`. Answers its argument. */
export const defineConfig = define<DeltaFormatter>;
