/** Bytes on a socket that should be HTTP: requests that are right, odd, spoiled, cut, or one after the other. */
import * as fc from 'fast-check';
import { Connection, type Ending, piecesOf } from './connection.ts';
import { type HttpAnswer, MalformedAnswer, readAnswers } from './http-answers.ts';
import { mostly, noise, request, spoil } from './http-requests.ts';
import type { Judge } from './judge.ts';
import type { Target } from './target.ts';

/** What is written, as single bytes, and how the client leaves. */
export interface HttpInput {
  readonly text: string;
  /** Where it is cut into pieces, from 0 to 1. */
  readonly cuts: readonly number[];
  readonly ending: Ending;
  /** How many answers there should be; it listens for them before it leaves by `wait`. */
  readonly requests: number;
}

/** Raw HTTP. */
export const http: Target<HttpInput> = {
  maxBatch: 120,
  inputs: (credentials) => {
    const one = request(credentials);
    const several = fc.oneof(
      { weight: 2, arbitrary: fc.tuple(one) },
      { weight: 1, arbitrary: fc.tuple(one, one, one) },
    );
    const common = {
      cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
      ending: mostly(fc.constant<Ending>('wait'), fc.constantFrom<Ending>('end', 'destroy', 'reset')),
    };
    const whole = fc
      .record({ all: several, ...common })
      .map(({ all, ...how }) => ({ text: all.join(''), requests: all.length, ...how }));
    const text = fc.oneof(spoil(several.map((all) => all.join(''))), noise);
    const spoiled = fc.record({ text, requests: fc.constant(1), ...common });
    return fc.oneof({ weight: 2, arbitrary: whole }, { weight: 1, arbitrary: spoiled });
  },
  send: async ({ text, requests, cuts, ending }, { victim, judge }) => {
    const hasHead = text.includes('HEAD');
    const connection = await Connection.open(victim.port);
    await connection.write(piecesOf(text, cuts));
    const isAnswered = () => connection.isOver || answersIn(connection.heard, hasHead) >= requests;
    const deadlineMs = performance.now() + (ending === 'wait' ? listenMs : 0);
    while (!isAnswered() && performance.now() < deadlineMs) await connection.hear(listenMs);
    await connection.leave(ending === 'wait' ? 'destroy' : ending, listenMs);
    try {
      const isWhole = answersIn(connection.heard, hasHead) > 0;
      // Node cuts an answer when garbage follows the request, or the client closes its half. operations.ts is strict.
      const answers = readAnswers(connection.heard, { isCut: true, hasHead });
      if (answers.length === 0) judge.count('no answer');
      for (const answer of answers) judgeAnswer(answer, { judge, isWhole });
    } catch (error) {
      if (!(error instanceof MalformedAnswer)) throw error;
      // Node 20 puts its 100 behind the head of an answer that waits for its turn, where it counts as the body.
      if (text.includes('100-continue')) judge.count('malformed by 100');
      else judge.blame(`malformed: ${error.message}`);
    }
  },
};

/** How long it listens for answers. What lacks something is answered 408 before that; a subscription goes on. */
const listenMs = 1_500;

/** How many whole ones there are. */
function answersIn(bytes: Buffer, hasHead: boolean): number {
  try {
    return readAnswers(bytes, { isCut: false, hasHead }).length;
  } catch {
    return 0;
  }
}

function judgeAnswer(
  { status, headers, body: text }: HttpAnswer,
  { judge, isWhole }: { readonly judge: Judge; readonly isWhole: boolean },
): void {
  judge.status(status);
  for (const [name, value] of headers) judge.text(`header ${name}`, value);
  const type = headers.get('content-type') ?? '';
  if (type.startsWith('text/html')) return judge.count('page');
  if (type.startsWith('text/event-stream')) return judgeStream(text, judge);
  if (type.includes('json') && text !== '' && isWhole) return judge.json('http', text);
  judge.text('body', text);
}

/** Every whole event (WHATWG HTML, 9.2). */
export function judgeStream(text: string, judge: Judge): void {
  judge.text('stream', text);
  for (const block of text.split('\n\n').slice(0, -1)) {
    // Lines of a stream end with a line feed, and not with U+2028, as those of regular expressions do.
    const lines = block.split('\n');
    const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length) ?? '';
    if (lines.includes('event: next')) judge.resultText('sse', data);
    else if (!/^(:.*|event: complete\ndata:|(:\n)?retry: \d+)$/.test(block)) judge.blame(`stream: ${block}`);
  }
}
