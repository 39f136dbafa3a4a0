import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const guide = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8');

/** `<!-- example:file#region -->`, the block, `<!-- /example -->`. */
const blocks = [...guide.matchAll(/<!-- example:([\w.-]+)(?:#(\w+))? -->\n([\s\S]*?)<!-- \/example -->/g)].map(
  ([, file = '', region, text = '']) => ({ file, region, text }),
);

test.each(blocks)('docs/clients.md shows what is tested: $file $region', ({ file, region, text }) => {
  expect(text).toBe(toBlock(file, region));
});

test('docs/clients.md shows every recipe, and no other code', () => {
  const files = ['replica.ts', 'graphql-ws.ts', 'graphql-sse.ts', 'event-source.ts', 'urql.ts', 'apollo.ts', 'curl.sh'];
  expect(new Set(blocks.map(({ file }) => file))).toEqual(new Set(files));
  expect(guide.match(/^```\w+$/gm)).toHaveLength(blocks.length);
});

/** The imports and the marked region of a recipe, or a script as it is, in a fence. */
function toBlock(file: string, region?: string): string {
  const source = readFileSync(new URL(`../../examples/clients/${file}`, import.meta.url), 'utf8');
  if (file.endsWith('.sh')) return `\`\`\`sh\n${source}\`\`\`\n`;
  const marker = region === undefined ? '// docs:begin\n' : `// docs:begin ${region}\n`;
  const begin = source.indexOf(marker) + marker.length;
  const end = source.indexOf('// docs:end', begin);
  if (begin < marker.length || end === -1) throw new Error(`${file} has no region ${marker}`);
  return `\`\`\`ts\n${source.slice(begin, end)}\`\`\`\n`;
}
