import { readFileSync } from 'node:fs';

/** Of a tick, on every Linux that Node runs on. */
const tickUs = 10_000;

/** CPU that the children of a process have used, as far as they live; 0 where there is no /proc. */
export function cpuUsOfChildren(pid: number): number {
  return textOf(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '')
    .reduce((sum, child) => {
      // What follows the name, which may hold spaces (proc_pid_stat(5)): user and system are the 14th and 15th field.
      const fields = textOf(`/proc/${child}/stat`).split(') ')[1]?.split(' ') ?? [];
      return sum + tickUs * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
    }, 0);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
