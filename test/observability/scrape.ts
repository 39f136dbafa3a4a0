/** What Prometheus would read. */

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One look at the metrics. */
export class Scrape {
  readonly text: string;
  readonly samples: readonly Sample[];

  constructor(text: string) {
    this.text = text;
    this.samples = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map(toSample);
  }

  static async of(url: string): Promise<Scrape> {
    const response = await fetch(url);
    if (response.status !== 200) throw new Error(`${url} answers ${response.status}`);
    return new Scrape(await response.text());
  }

  /** The sum of all series with these labels; undefined: there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }

  /** The series of a name that are not 0, by the values of their labels in the order of the text. */
  nonZero(name: string): Readonly<Record<string, number>> {
    const found = this.samples.filter((sample) => sample.name === name && sample.value !== 0);
    return Object.fromEntries(found.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
  }

  /** What is said to be there, by name: its type and its help. */
  get described(): Readonly<Record<string, { readonly type: string; readonly help: string }>> {
    const types = new Map([...this.text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
    const helps = [...this.text.matchAll(/^# HELP (\S+) (.*)$/gm)];
    return Object.fromEntries(helps.map(([, name, help = '']) => [name, { type: types.get(name) ?? '', help }]));
  }
}

function toSample(line: string): Sample {
  const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === '') throw new Error(`no sample: ${line}`);
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]);
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}
