/**
 * Writes PEM (RFC 7468) into a Buffer that the caller owns. Private keys are written here, and a string could not be overwritten: it stays
 * in memory until it is garbage collected.
 */
import type { Steps } from './steps.ts';

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const LINE = 64;
const NEWLINE = 10;
const PAD = 61;

/** The PEM blocks of `ders`, one after the other, each ending with a newline. */
export function pemEncode(label: 'CERTIFICATE' | 'PRIVATE KEY', ders: readonly Uint8Array[]): Buffer {
  const begin = Buffer.from(`-----BEGIN ${label}-----\n`);
  const end = Buffer.from(`-----END ${label}-----\n`);
  const out = Buffer.alloc(ders.reduce((size, der) => size + begin.length + base64Size(der.length) + end.length, 0));
  let at = 0;
  for (const der of ders) {
    at += begin.copy(out, at);
    at = base64Lines(der, out, at);
    at += end.copy(out, at);
  }
  return out;
}

function base64Size(bytes: number): number {
  const characters = Math.ceil(bytes / 3) * 4;
  return characters + Math.ceil(characters / LINE);
}

function base64Lines(input: Uint8Array, out: Buffer, start: number): number {
  let at = start;
  let column = 0;
  for (let i = 0; i < input.length; i += 3) {
    const left = input.length - i;
    const group = ((input[i] ?? 0) << 16) | ((input[i + 1] ?? 0) << 8) | (input[i + 2] ?? 0);
    out[at++] = ALPHABET[group >> 18] ?? 0;
    out[at++] = ALPHABET[(group >> 12) & 63] ?? 0;
    out[at++] = left > 1 ? (ALPHABET[(group >> 6) & 63] ?? 0) : PAD;
    out[at++] = left > 2 ? (ALPHABET[group & 63] ?? 0) : PAD;
    column += 4;
    if (column === LINE || left <= 3) {
      out[at++] = NEWLINE;
      column = 0;
    }
  }
  return at;
}

/** How many lines one step encodes. A step takes one or two milliseconds. */
const STEP_LINES = 4096;
const LINE_BYTES = (LINE / 4) * 3;

/**
 * The PEM block of something long that is not secret. It uses strings, which is faster.
 * @returns the block, ending with a newline
 */
export function* pemSteps(label: 'X509 CRL', der: Uint8Array): Steps<Buffer> {
  const begin = `-----BEGIN ${label}-----\n`;
  const end = `-----END ${label}-----\n`;
  const out = Buffer.allocUnsafeSlow(begin.length + base64Size(der.length) + end.length);
  let at = out.write(begin, 'latin1');
  for (let from = 0; from < der.length; from += STEP_LINES * LINE_BYTES) {
    const bytes = Buffer.from(der.buffer, der.byteOffset, der.length).subarray(from, from + STEP_LINES * LINE_BYTES);
    at = brokenLines(bytes.toString('base64'), out, at);
    if (from + STEP_LINES * LINE_BYTES < der.length) yield;
  }
  out.write(end, at, 'latin1');
  return out;
}

/** Writes the text at the end of its space, then moves it forward line by line to make room for the newlines. */
function brokenLines(base64: string, out: Buffer, start: number): number {
  const to = start + base64.length + Math.ceil(base64.length / LINE);
  out.write(base64, to - base64.length, 'latin1');
  let at = start;
  for (let from = to - base64.length; from < to; from += LINE) {
    const length = Math.min(LINE, to - from);
    out.copyWithin(at, from, from + length);
    at += length;
    out[at++] = NEWLINE;
  }
  return at;
}
