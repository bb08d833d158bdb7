/**
 * The service that calls: once a second, through its Envoy. It shows on a page and in its log what each side saw of the other, and what became
 * of the intruder.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { endAtSigterm } from './signals.ts';

const BACKEND = 'http://127.0.0.1:8080/'; // its own Envoy, that carries it on over mutual TLS
const INTRUDER = 'http://intruder:8000/';
const PORT = 8000;
const EVERY_MS = 1_000;

/** One service, as the other one saw it in the handshake. */
interface Peer {
  readonly id: string;
  readonly serial: string;
  readonly notAfter: string;
  /** How often its serial has changed. */
  readonly rotations: number;
}

const seen = {
  answered: 0,
  failed: 0,
  lastFailure: '',
  frontend: undefined as Peer | undefined,
  backend: undefined as Peer | undefined,
};
let intruder: unknown;

async function call(): Promise<void> {
  try {
    const response = await fetch(BACKEND, { signal: AbortSignal.timeout(EVERY_MS * 5) });
    const body = await response.text();
    if (!response.ok) throw new Error(`${response.status} ${body}`);
    const caller = JSON.parse(body) as Omit<Peer, 'rotations'>;
    const certificate = new X509Certificate(decodeURIComponent(response.headers.get('x-peer-certificate') ?? ''));
    seen.frontend = observed('frontend', seen.frontend, caller);
    seen.backend = observed('backend', seen.backend, {
      id: (certificate.subjectAltName ?? '').replace(/^URI:/, ''),
      serial: certificate.serialNumber,
      notAfter: certificate.validToDate.toISOString(),
    });
    seen.answered += 1;
  } catch (thrown) {
    const { message, cause } = thrown as Error;
    const reason = (cause instanceof Error ? cause.message : message).trim();
    if (seen.lastFailure !== reason) console.log(`no answer: ${reason}`);
    seen.lastFailure = reason;
    // While everything starts there is nothing to be lost.
    if (seen.answered > 0) seen.failed += 1;
  }
}

function observed(who: string, last: Peer | undefined, now: Omit<Peer, 'rotations'>): Peer {
  const serial = now.serial.toUpperCase();
  const rotated = last !== undefined && last.serial !== serial;
  if (last === undefined) console.log(`${who} is ${now.id}, serial ${serial}`);
  if (rotated) console.log(`ROTATED: ${who} ${last.serial} → ${serial}`);
  return { ...now, serial, rotations: (last?.rotations ?? 0) + (rotated ? 1 : 0) };
}

async function askIntruder(): Promise<void> {
  const response = await fetch(INTRUDER, { signal: AbortSignal.timeout(EVERY_MS * 5) }).catch(() => undefined);
  // What was heard last stands until there is more.
  intruder = (await response?.json().catch(() => undefined)) ?? intruder;
}

const page = await readFile(join(import.meta.dirname, 'page.html'));
createServer(({ url }, response) => {
  const isState = url === '/state';
  response.setHeader('content-type', isState ? 'application/json' : 'text/html; charset=utf-8');
  response.end(isState ? JSON.stringify({ ...seen, intruder }) : page);
}).listen(PORT, () => console.log(`the page is on http://127.0.0.1:8000/ (or where DEMO_PORT says)`));
setInterval(() => void call(), EVERY_MS);
setInterval(() => void askIntruder(), EVERY_MS);
endAtSigterm();
