/** Looks for a private key in the memory of another process, which takes root. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** Of the scalar of a P-256 key in PKCS#8. */
const SCALAR = { from: 36, to: 68 };
/** Base64 in PEM begins a line every so many bytes. */
const LINE_BYTES = 48;
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) rw.*\n(?:[A-Z].*\n)*?Rss: +(\d+) kB/gm;
const CHUNK = 4 * 1024 * 1024;

/** How often a key is there: as the Workload API sends it, and as Envoy gets it. */
export interface Copies {
  readonly der: number;
  readonly pem: number;
}

/** @param key P-256, PKCS#8, DER */
export function copiesOf(key: Uint8Array, pid: number): Copies {
  const scalar = Buffer.from(key.slice(SCALAR.from, SCALAR.to));
  const inPem = Buffer.from(Buffer.from(key.slice(SCALAR.from, LINE_BYTES)).toString('base64'));
  const overlap = Math.max(scalar.length, inPem.length) - 1;
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  let [der, pem] = [0, 0];
  try {
    for (const { from, to } of writable(pid)) {
      for (let at = from; at < to; at += CHUNK) {
        const bytes = read(memory, at, Math.min(CHUNK + overlap, to - at));
        der += count(bytes, scalar);
        pem += count(bytes, inPem);
      }
    }
  } finally {
    closeSync(memory);
  }
  return { der, pem };
}

/** What a process may write to, and of which something is there. */
function* writable(pid: number): Generator<{ readonly from: number; readonly to: number }> {
  for (const [, from = '', to = '', rss] of readFileSync(`/proc/${pid}/smaps`, 'utf8').matchAll(MAPPING)) {
    if (Number(rss) > 0) yield { from: Number.parseInt(from, 16), to: Number.parseInt(to, 16) };
  }
}

/** What is not there any more is empty. */
function read(memory: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  try {
    return bytes.subarray(0, readSync(memory, bytes, 0, length, at));
  } catch {
    return Buffer.alloc(0);
  }
}

function count(bytes: Buffer, needle: Buffer): number {
  let found = 0;
  for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at + 1)) found++;
  return found;
}
