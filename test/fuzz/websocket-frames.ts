/** Frames of RFC 6455: writes what a client should and should not, and reads what a server wrote, strictly. */

/** A frame as it goes over the wire. */
export interface Frame {
  readonly fin: boolean;
  /** Three bits. */
  readonly rsv: number;
  readonly opcode: number;
  /** A client must mask (5.1). */
  readonly isMasked: boolean;
  /** Bytes, one character each. */
  readonly payload: string;
  /** What it says of its length; undefined: the truth, as short as can be. */
  readonly said?: { readonly form: 7 | 16 | 64; readonly length: number } | undefined;
}

/** Opcodes (5.2). */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** The frame's bytes, one character each. */
export function frameBytes({ fin, rsv, opcode, isMasked, payload, said }: Frame): string {
  const body = Buffer.from(payload, 'latin1');
  const truth = { form: body.length < 126 ? 7 : body.length < 65_536 ? 16 : 64, length: body.length } as const;
  const { form, length } = said ?? truth;
  const maskBit = isMasked ? 0x80 : 0;
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = maskBit | (form === 7 ? length & 0x7f : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(length & 0xffff, 2);
  if (form === 64) head.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([head, body]).toString('latin1');
  for (let at = 0; at < body.length; at++) body[at] = (body[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([head, mask, body]).toString('latin1');
}

/** What a server wrote, message by message. */
export type Heard =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ping' | 'pong' }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string };

/** What no server may write; the message says what. */
export class MalformedFrame extends Error {}

/**
 * Whole frames; a last one that was cut is left out.
 *
 * @throws MalformedFrame
 */
export function readFrames(bytes: Buffer): readonly Heard[] {
  const heard: Heard[] = [];
  for (let at = 0; bytes.length - at >= 2; ) {
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    // What Chord writes is never compressed, masked or in fragments.
    if ((first & 0xf0) !== 0x80 || (second & 0x80) !== 0) throw malformed(bytes, at);
    const headLength = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (bytes.length < at + headLength) return heard;
    const length =
      headLength === 2 ? second : headLength === 4 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
    const end = at + headLength + length;
    if (bytes.length < end) return heard;
    heard.push(toHeard(first & 0x0f, bytes.subarray(at + headLength, end)));
    if (heard.at(-1)?.kind === 'close' && end < bytes.length) throw malformed(bytes, end);
    at = end;
  }
  return heard;
}

function toHeard(opcode: number, payload: Buffer): Heard {
  switch (opcode) {
    case opcodes.text:
      return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(payload) };
    case opcodes.ping:
      return { kind: 'ping' };
    case opcodes.pong:
      return { kind: 'pong' };
    case opcodes.close:
      // 1005: it says none (7.1.5).
      return payload.length < 2
        ? { kind: 'close', code: 1005, reason: '' }
        : { kind: 'close', code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) };
    default:
      throw new MalformedFrame(`opcode ${opcode}`);
  }
}

function malformed(bytes: Buffer, at: number): MalformedFrame {
  return new MalformedFrame(bytes.toString('hex', at, at + 40));
}
