import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type FollowData, type FollowOptions, Replica } from '../../examples/clients/replica.ts';

const script = fileURLToPath(new URL('../../examples/clients/curl.sh', import.meta.url));

/** Runs the script and keeps a copy by what it prints. */
export function followWithCurl({ url, id, onEvent, onError }: FollowOptions): () => void {
  const replica = new Replica();
  // A group of its own: the script's curl ends with it.
  const { pid, stdout, stderr } = spawn('bash', [script, url, id], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  stderr.on('data', (text: Buffer) => onError(text.toString()));
  createInterface(stdout).on('line', (line) => {
    const { data, errors } = JSON.parse(line) as { data?: FollowData; errors?: unknown };
    if (errors !== undefined) onError(errors);
    if (data === undefined) return;
    if (replica.take(data.contextChanged)) onEvent(data.contextChanged, replica.state);
    else onError(new Error(`does not continue the copy: ${line}`));
  });
  return () => {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  };
}
