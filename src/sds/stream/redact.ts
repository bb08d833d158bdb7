/**
 * Envoy's NACK text, made fit to be shown: when a Secret does not decode or validate, Envoy's error_detail.message contains the whole
 * message as text, the private key included.
 */
import type { RejectionKind } from '../../events.ts';
import { printable } from '../../printable.ts';

const MAX_LENGTH = 300;
const CUT = '… [redacted]';

/** Where Envoy's sentence ends and a message dumped field by field, or PEM, begins. */
const DUMP = /goo\.gle\/debug|-----\s*BEGIN|\b\w+\s*\{|\b[a-z_]+\s*:\s*["'<[]|\binline_(?:bytes|string)\b/;
/** Base64, base64url or hexadecimal that is too long for a name or an error code, with the shorter lines that end it. */
const ENCODED_RUN = /[A-Za-z0-9+/=_-]{40,}(?:(?:\s|\\[nr])+[A-Za-z0-9+/=_-]{16,})*/g;
/** The name of one of Envoy's classes. */
const WORDS = /^(?:[A-Z][a-z]{2,})+$/;

/** One line of at most 300 characters and the mark that something was cut, with nothing in it that could be a key. */
export function redact(text: string): string {
  const dump = text.search(DUMP);
  const sentence = printable(dump === -1 ? text : text.slice(0, dump))
    .replace(ENCODED_RUN, (run) => (WORDS.test(run) ? run : '[redacted]'))
    .trim();
  const short = sentence.length > MAX_LENGTH ? sentence.slice(0, MAX_LENGTH) : sentence;
  return dump === -1 && short === sentence ? short : `${short}${CUT}`;
}

/** In the words of Envoy 1.36 – 1.40; the first that fits. A validation context that a message names is looked for before a certificate. */
const KINDS: readonly (readonly [RejectionKind, RegExp])[] = [
  ['malformed', /Proto constraint|[Vv]alidat\w+ failed|[Uu]nable to (?:parse|unpack)|INVALID_ARGUMENT|goo\.gle\/debug/],
  ['private_key', /private key/i],
  ['crl', /\bCRL\b/i],
  ['trusted_ca', /trusted CA|trust bundle|SPIFFE validator|trust_domain/i],
  ['certificate', /certificate/i],
];

/** What a NACK complains of, as one of a few words by which rejections are counted. Only the sentence is read, not the dump. */
export function rejectionKind(text: string): RejectionKind {
  const sentence = text.slice(0, MAX_LENGTH);
  return KINDS.find(([, pattern]) => pattern.test(sentence))?.[0] ?? 'other';
}
