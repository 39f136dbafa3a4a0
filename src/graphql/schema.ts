import { builder } from './builder.ts';
import './access.ts';
import './cleanup.ts';
import './context.ts';
import './delta.ts';
import './errors.ts';
import './event.ts';
import './scalars.ts';
import './server.ts';
import './sync.ts';
import './transfer.ts';
import './viewer.ts';
import './write.ts';

/** The whole schema, built from the files of this folder. Without side effects: tools import it. */
export const schema = builder.toSchema();
