/**
 * The service that calls: once a second, through its Envoy. It shows on a page and in its log what each side saw of the other, and what became
 * of the intruder.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { passOn } from './sidecar-status.ts';
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
  /** Whether the last call was answered; undefined before the first. */
  well: undefined as boolean | undefined,
  frontend: undefined as Peer | undefined,
  backend: undefined as Peer | undefined,
};
let intruder: unknown;

/** What happened, the newest last. */
const timeline: { readonly at: string; readonly who: 'frontend' | 'backend' | 'requests'; readonly what: string }[] = [];
const MAX_TIMELINE = 20;

function note(who: 'frontend' | 'backend' | 'requests', what: string): void {
  timeline.push({ at: new Date().toISOString(), who, what });
  if (timeline.length > MAX_TIMELINE) timeline.shift();
}

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
    if (seen.well === false && seen.answered > 1) note('requests', 'answered again');
    seen.well = true;
  } catch (thrown) {
    const { message, cause } = thrown as Error;
    const reason = (cause instanceof Error ? cause.message : message).trim();
    if (seen.lastFailure !== reason) console.log(`no answer: ${reason}`);
    seen.lastFailure = reason;
    // While everything starts there is nothing to be lost.
    if (seen.answered > 0) {
      seen.failed += 1;
      if (seen.well) note('requests', `no answer: ${reason}`);
    }
    seen.well = false;
  }
}

function observed(who: 'frontend' | 'backend', last: Peer | undefined, now: Omit<Peer, 'rotations'>): Peer {
  const serial = now.serial.toUpperCase();
  const rotated = last !== undefined && last.serial !== serial;
  if (last === undefined) console.log(`${who} is ${now.id}, serial ${serial}`);
  if (rotated) {
    console.log(`ROTATED: ${who} ${last.serial} → ${serial}`);
    note(who, `rotated to ${serial}`);
  }
  return { ...now, serial, rotations: (last?.rotations ?? 0) + (rotated ? 1 : 0) };
}

async function askIntruder(): Promise<void> {
  const response = await fetch(INTRUDER, { signal: AbortSignal.timeout(EVERY_MS * 5) }).catch(() => undefined);
  // What was heard last stands until there is more.
  intruder = (await response?.json().catch(() => undefined)) ?? intruder;
}

const page = await readFile(join(import.meta.dirname, 'page.html'));
createServer((asked, response) => {
  if (passOn(asked, response)) return;
  const isState = asked.url === '/state';
  response.setHeader('content-type', isState ? 'application/json' : 'text/html; charset=utf-8');
  response.end(isState ? JSON.stringify({ ...seen, timeline, intruder }) : page);
}).listen(PORT, () => console.log(`the page is on ${process.env['PAGE']}`));
setInterval(() => void call(), EVERY_MS);
setInterval(() => void askIntruder(), EVERY_MS);
endAtSigterm();
