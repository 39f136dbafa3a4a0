import { z } from 'zod';
import { type Kind, option, orNone } from './kinds.ts';

/** The part of the table that says where traces go. */
export const tracingOptions = {
  otlpEndpoint: option(orNone(httpUrl()), {
    default: null,
    isSecret: true,
    description:
      'The collector of OpenTelemetry that traces are sent to (docs/tracing.md), like http://127.0.0.1:4318; /v1/traces is added. OTEL_EXPORTER_OTLP_ENDPOINT counts, too. None traces nothing.',
  }),
  traceSampleRatio: option(share(), {
    default: 1,
    description: 'The share of requests that are traced, of those whose clients do not say whether they are.',
  }),
};

function httpUrl(): Kind<string> {
  return {
    schema: z.string().refine((given) => URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)),
    fromText: (given) => given,
    expected: 'a URL with http or https',
  };
}

function share(): Kind<number> {
  return {
    schema: z.number().min(0).max(1),
    fromText: (given) => (/^\d*\.?\d+$/.test(given) ? Number(given) : given),
    expected: 'a number from 0 to 1',
  };
}
