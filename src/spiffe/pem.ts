/**
 * PEM (RFC 7468) written into a Buffer that the caller owns: strings stay in memory until the collector takes them and cannot be
 * wiped, and private keys pass through here.
 */

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const LINE = 64;
const NEWLINE = 10;
const PAD = 61;

/** The PEM blocks of `ders`, one after the other, each ending with a newline. */
export function pemEncode(label: 'CERTIFICATE' | 'PRIVATE KEY' | 'X509 CRL', ders: readonly Uint8Array[]): Buffer {
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
