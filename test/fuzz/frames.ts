/** WebSockets: the handshake, the frames and the messages of graphql-transport-ws, right and wrong and in any order. */
import * as fc from 'fast-check';
import { Connection, type End, type Ending, piecesOf } from './connection.ts';
import { MalformedAnswer, readAnswers } from './http-answers.ts';
import { isObject, type Judge } from './judge.ts';
import { messages } from './messages.ts';
import { patienceMs, type Target } from './target.ts';
import { type Frame, frameBytes, MalformedFrame, opcodes, readFrames } from './websocket-frames.ts';

/** What a client does one after the other. */
type Step =
  /** `pieces`: in so many frames. */
  | { readonly kind: 'message'; readonly text: string; readonly pieces: number }
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'bytes'; readonly bytes: string }
  /** Listens for a while, or until something comes. */
  | { readonly kind: 'listen' };

/** A connection's life. */
export interface FramesInput {
  readonly handshake: string;
  readonly steps: readonly Step[];
  /** Whether it says goodbye as the protocol has it before it leaves. */
  readonly saysGoodbye: boolean;
  readonly ending: Ending;
}

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

function handshake(credentials: readonly (string | undefined)[]): fc.Arbitrary<string> {
  return fc
    .record({
      authorization: fc.constantFrom(...credentials),
      wrong: fc.oneof(
        { weight: 12, arbitrary: fc.constant<readonly [string, string] | undefined>(undefined) },
        {
          weight: 1,
          arbitrary: fc.constantFrom<readonly [string, string]>(
            ['GET /graphql', 'GET /other'],
            ['GET /graphql', 'POST /graphql'],
            ['GET /graphql', 'GET /graphql?query=%7B__typename%7D'],
            ['HTTP/1.1', 'HTTP/1.0'],
            ['Upgrade: websocket', 'Upgrade: h2c'],
            ['Connection: Upgrade', 'Connection: close'],
            ['Version: 13', 'Version: 99'],
            [key, 'short'],
            [`Sec-WebSocket-Key: ${key}`, ''],
            ['graphql-transport-ws', 'graphql-ws'],
            ['graphql-transport-ws', ',,;'],
            ['graphql-transport-ws', 'other, graphql-transport-ws'],
            ['Sec-WebSocket-Protocol: graphql-transport-ws', 'X: y'],
            ['Host: localhost', 'Host: chord.example'],
            ['Host: localhost', 'Host: a b\r\nOrigin: http://x'],
            ['Host: localhost', 'Host: localhost\r\nOrigin: https://evil.example'],
            ['Host: localhost', 'Host: localhost\r\nContent-Length: 5'],
            ['Host: localhost', `Host: localhost\r\nX: ${'x'.repeat(20_000)}`],
          ),
        },
      ),
      extensions: fc.constantFrom(
        '',
        '',
        'permessage-deflate',
        'permessage-deflate; client_max_window_bits=99',
        '\xff',
      ),
    })
    .map(({ authorization, wrong, extensions }) => {
      const text = [
        'GET /graphql HTTP/1.1',
        'Host: localhost',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${key}`,
        'Sec-WebSocket-Protocol: graphql-transport-ws',
        ...(extensions === '' ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
        ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      ].join('\r\n');
      return `${wrong === undefined ? text : text.replace(...wrong)}\r\n\r\n`;
    });
}

const closePayloads = [
  '',
  '\x03',
  '\x03\xe8',
  '\x03\xe8bye',
  '\x03\xec',
  '\x03\xed',
  '\x00\x00',
  '\xff\xff',
  '\x03\xe8\xff\xfe',
];

const frame: fc.Arbitrary<Frame> = fc.record({
  fin: fc.constantFrom(true, true, false),
  rsv: fc.constantFrom(0, 0, 0, 4, 7),
  opcode: fc.constantFrom(...Object.values(opcodes), 3, 11, 15),
  isMasked: fc.constantFrom(true, true, true, true, false),
  payload: fc.oneof(
    fc.constantFrom('', '{"type":"ping"}', '\xff\xfe', '\xed\xa0\x80', '\xc3', 'x'.repeat(126), 'x'.repeat(70_000)),
    fc.constantFrom(...closePayloads),
    fc.string({ unit: fc.nat(255).map((unit) => String.fromCharCode(unit)), maxLength: 20 }),
  ),
  said: fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.record({
        form: fc.constantFrom(7 as const, 16 as const, 64 as const),
        length: fc.constantFrom(0, 1, 5, 125, 126, 65_535, 65_536, 1e9, 2 ** 40, Number.MAX_SAFE_INTEGER),
      }),
    },
  ),
});

function toBytes(step: Step): string {
  switch (step.kind) {
    case 'listen':
      return '';
    case 'bytes':
      return step.bytes;
    case 'frame':
      return frameBytes(step.frame);
    case 'message': {
      const bytes = Buffer.from(step.text).toString('latin1');
      const size = Math.max(1, Math.ceil(bytes.length / step.pieces));
      const parts = Array.from({ length: Math.max(1, Math.ceil(bytes.length / size)) }, (_, n) =>
        bytes.slice(n * size, (n + 1) * size),
      );
      return parts
        .map((payload, n) =>
          frameBytes({
            fin: n === parts.length - 1,
            rsv: 0,
            opcode: n === 0 ? opcodes.text : opcodes.continuation,
            isMasked: true,
            payload,
          }),
        )
        .join('');
    }
  }
}

const goodbye = frameBytes({ fin: true, rsv: 0, opcode: opcodes.close, isMasked: true, payload: '\x03\xe8' });

/** WebSockets from their first byte. */
export const frames: Target<FramesInput> = {
  maxBatch: 80,
  inputs: (credentials) => {
    const { common, odd } = messages(credentials);
    const pieces = fc.constantFrom(1, 1, 1, 1, 2, 5);
    const message = fc.record({ kind: fc.constant('message' as const), text: common, pieces });
    const oddMessage = fc.record({ kind: fc.constant('message' as const), text: odd, pieces });
    const listen = fc.constant<Step>({ kind: 'listen' });
    const broken = fc.oneof(
      { weight: 4, arbitrary: frame.map((one): Step => ({ kind: 'frame', frame: one })) },
      {
        weight: 1,
        arbitrary: fc
          .string({ unit: fc.nat(255).map((unit) => String.fromCharCode(unit)), maxLength: 60 })
          .map((bytes): Step => ({ kind: 'bytes', bytes })),
      },
    );
    const polite = fc.array(
      fc.oneof(
        { weight: 40, arbitrary: message },
        { weight: 10, arbitrary: listen },
        { weight: 1, arbitrary: oddMessage },
      ),
      { maxLength: 12, size: 'max' },
    );
    const rude = fc.array(fc.oneof(message, oddMessage, broken, listen), { maxLength: 8 });
    const hello: readonly Step[] = [
      { kind: 'message', text: '{"type":"connection_init"}', pieces: 1 },
      { kind: 'listen' },
    ];
    return fc.record({
      handshake: handshake(credentials),
      steps: fc.oneof(
        { weight: 5, arbitrary: polite.map((steps) => [...hello, ...steps]) },
        { weight: 1, arbitrary: rude.map((steps) => [...hello, ...steps]) },
        { weight: 1, arbitrary: rude },
      ),
      saysGoodbye: fc.boolean(),
      ending: fc.constantFrom<Ending>('end', 'end', 'wait', 'destroy', 'reset'),
    });
  },
  send: async ({ handshake: hello, steps, saysGoodbye, ending }, { victim, judge }) => {
    const connection = await Connection.open(victim.port);
    await connection.write([Buffer.from(hello, 'latin1')]);
    await connection.hear();
    let listened = 0;
    for (const step of steps) {
      if (step.kind === 'listen') await connection.hear(listened++ === 0 ? 300 : 50);
      else await connection.write(piecesOf(toBytes(step), [0.5]));
    }
    if (saysGoodbye) await connection.write([Buffer.from(goodbye, 'latin1')]);
    // Every one that is broken or said goodbye is closed; one that is open has to be left.
    const isPolite = steps.every(({ kind }) => kind === 'message' || kind === 'listen');
    const end = await connection.leave(ending, saysGoodbye && isPolite ? patienceMs : 150);
    judgeHeard(connection.heard, judge, { end, sent: [1000, ...steps.flatMap(closeCodeIn)] });
    if (saysGoodbye && isPolite && ending === 'wait' && end === 'open') judge.blame('no answer to a goodbye');
  },
};

/** Of a frame that closes: without one it is 1005 (7.1.5). What counts is the length that the frame says. */
function closeCodeIn(step: Step): readonly number[] {
  if (step.kind !== 'frame' || step.frame.opcode !== opcodes.close) return [];
  const { payload, said } = step.frame;
  const length = said?.form === 7 ? said.length & 0x7f : said?.form === 16 ? said.length & 0xffff : said?.length;
  const bytes = Buffer.from(payload.slice(0, length), 'latin1');
  return [bytes.length < 2 ? 1005 : bytes.readUInt16BE(0)];
}

function judgeHeard(bytes: Buffer, judge: Judge, how: { readonly end: End; readonly sent: readonly number[] }): void {
  try {
    const end = bytes.indexOf('\r\n\r\n');
    const isUpgraded = bytes.toString('latin1', 0, 12) === 'HTTP/1.1 101' && end >= 0;
    if (!isUpgraded) {
      for (const { status, body } of readAnswers(bytes, { isCut: how.end !== 'ended', hasHead: false })) {
        judge.status(status);
        judge.text('body', body);
      }
      return;
    }
    judge.count('101');
    for (const heard of readFrames(bytes.subarray(end + 4))) {
      if (heard.kind === 'text') judgeMessage(heard.text, judge);
      else if (heard.kind === 'close') judge.closeCode(heard.code, heard.reason, how.sent);
    }
  } catch (error) {
    if (!(error instanceof MalformedFrame || error instanceof MalformedAnswer)) throw error;
    judge.blame(`malformed: ${error.message}`);
  }
}

/** A message of the server, as graphql-transport-ws has them. */
export function judgeMessage(text: string, judge: Judge): void {
  judge.text('message', text);
  const message: unknown = JSON.parse(text);
  if (!isObject(message)) return judge.blame(`message ${text}`);
  const { type, id, payload } = message;
  judge.count(`message ${String(type)}`);
  switch (type) {
    case 'connection_ack':
    case 'pong':
      return;
    case 'next':
      judge.result('websocket', payload);
      break;
    case 'error':
      judge.errors('websocket', payload);
      break;
    case 'complete':
      break;
    default:
      return judge.blame(`message ${text}`);
  }
  if (typeof id !== 'string') judge.blame(`message without an id: ${text}`);
}
