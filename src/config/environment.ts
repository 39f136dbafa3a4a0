import type { Given } from './complete.ts';
import { ConfigError } from './config-error.ts';
import { optionNames, table } from './table.ts';
import { envName, suggestion } from './words.ts';

/** Known, but no option of the server: the file's path, and histories for the tests. */
const otherVariables = ['CHORD_CONFIG', 'CHORD_HISTORIES'];

/** What every program with OpenTelemetry reads: it counts where our own variable is not set. */
const otlpVariable = 'OTEL_EXPORTER_OTLP_ENDPOINT';

/** Reads the `CHORD_*` variables: what they set, and the file that CHORD_CONFIG names. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly values: readonly Given[];
  readonly config?: string;
} {
  const values: Given[] = [];
  const { [otlpVariable]: otlpEndpoint } = env;
  // First, since later ones outrank it.
  if (otlpEndpoint) values.push({ name: 'otlpEndpoint', label: otlpVariable, value: otlpEndpoint });
  for (const [variable, value] of Object.entries(env)) {
    // Compose files and shells pass a variable on as empty when it is not set.
    if (!variable.startsWith('CHORD_') || value === undefined || value === '') continue;
    if (otherVariables.includes(variable) || isServiceLink(variable, value)) continue;
    const name = optionNames.find((known) => envName(known) === variable);
    if (name === undefined) {
      const known = [...optionNames.map(envName), ...otherVariables];
      throw new ConfigError(`There is no variable ${variable}.${suggestion(variable, known)}`);
    }
    values.push({ name, label: variable, value: table[name].fromText(value) });
  }
  const config = env['CHORD_CONFIG'];
  return { values, ...(config ? { config } : {}) };
}

/**
 * Kubernetes tells every container about the services beside it: one named `chord` sets CHORD_PORT=tcp://10.0.0.1:4000,
 * CHORD_SERVICE_HOST and more. Nobody wrote these for us.
 */
function isServiceLink(variable: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_\w+)?$/.test(variable) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(variable) ||
    (variable.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
  );
}
