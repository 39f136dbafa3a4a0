/** A final text frame of a server, unmasked: what goes before its payload (RFC 6455, 5.2). */
const finalText = 0x81;
/** Lengths that do not fit into 7 bits, or into 16. */
const long = 126;
const longest = 127;

/**
 * A message whose payload is in two parts, as bytes to write one after the other. What is short is copied together: one
 * piece is written faster than two.
 */
export function textFrame(head: string, tail: Buffer): readonly [Buffer] | readonly [Buffer, Buffer] {
  const headBytes = Buffer.byteLength(head);
  const length = headBytes + tail.length;
  const start = length < long ? 2 : length <= 0xffff ? 4 : 10;
  const isCopied = tail.length <= copiedBytes;
  const frame = Buffer.allocUnsafe(start + (isCopied ? length : headBytes));
  frame[0] = finalText;
  if (start === 2) frame[1] = length;
  else if (start === 4) {
    frame[1] = long;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = longest;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length % 2 ** 32, 6);
  }
  frame.write(head, start);
  if (!isCopied) return [frame, tail];
  tail.copy(frame, start + headBytes);
  return [frame];
}

/** Beyond, a further piece to write costs less than the copy. */
const copiedBytes = 1024;
