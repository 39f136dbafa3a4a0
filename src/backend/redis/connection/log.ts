/** One line for operators. `warn`: something is amiss that may need them; `info`: it is no longer. */
export interface LogLine {
  readonly level: 'warn' | 'info';
  readonly text: string;
}

/** Is told the lines. */
export type Log = (line: LogLine) => void;
