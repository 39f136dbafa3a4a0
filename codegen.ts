import type { CodegenConfig } from '@graphql-codegen/cli';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from './src/graphql/schema.ts';

/*
 * Everything that is made from the schema in code: the schema in text, whose diff shows what a commit does to the
 * API, and typed documents for our own client. Both are committed; `npm run check` fails when they are not current.
 */
const config: CodegenConfig = {
  schema: printSchema(lexicographicSortSchema(schema)),
  documents: 'src/client/operations.graphql',
  generates: {
    'schema/schema.graphql': {
      plugins: ['schema-ast'],
      config: { sort: true },
      hooks: { beforeOneFileWrite: withFinalNewline },
    },
    'src/client/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        useTypeImports: true,
        importExtension: '.ts',
        emitLegacyCommonJSImports: false,
        strictScalars: true,
        scalars: {
          ID: 'string',
          SafeInt: 'number',
          DateTime: 'string',
          JSON: 'unknown',
          JSONObject: 'Record<string, unknown>',
        },
      },
    },
  },
};

/** The file is `printSchema(lexicographicSortSchema(schema))` and a line feed, as git and editors want it. */
function withFinalNewline(_path: string, content: string): string {
  return `${content}\n`;
}

export default config;
