/** Names of the operator's own under `secrets:`. The messages are as in schema.ts. */
import * as z from 'zod';
import { SpiffeSdsError } from '../../error.ts';
import { parseSpiffeId, parseTrustDomain, pathOf, type SpiffeId } from '../../spiffe/spiffe-id.ts';
import { textCodec } from '../values/codec.ts';

const NOT_EMPTY = 'a text that is not empty';

/** Any name but a SPIFFE ID: those stand for themselves. */
export const secretName = z
  .string()
  .regex(/^(?!spiffe:\/\/)/, 'a name that does not begin with "spiffe://": such names are SPIFFE IDs');

export const validationMode = z.enum(['spiffe', 'trusted_ca']);

const text = z.string().min(1, NOT_EMPTY);

const svid = oneOf({
  spiffe_id: textCodec<SpiffeId>(parseSvidId, (id) => id),
  hint: text,
});

const trustDomains = z
  .array(
    textCodec(parseTrustDomain, (name) => name),
    'a list of trust domains',
  )
  .min(1, 'a list of at least one trust domain (leave trust_domains out to mean all)')
  .check(({ value, issues }) => {
    // A context that lists one twice is refused by Envoy as a whole.
    const i = value.findIndex((name, i) => value.indexOf(name) < i);
    if (i === -1) return;
    issues.push({ code: 'custom', input: value, path: [i], message: `${JSON.stringify(value[i])} stands there twice: keep one` });
  });

const validation = z
  .strictObject({
    trust_domains: trustDomains.readonly().optional(),
    mode: validationMode.optional(),
    match: z
      .array(oneOf({ exact: text, prefix: text, suffix: text, regex: text }), 'a list of matchers')
      .readonly()
      .default([]),
  })
  .readonly();

const jwtSvid = z
  .strictObject({
    audience: audiences('a list of audiences').min(1, 'a list of at least one audience'),
    spiffe_id: textCodec<SpiffeId>(parseSvidId, (id) => id).optional(),
    hint: text.optional(),
    format: z.enum(['bearer', 'raw']).default('bearer'),
  })
  .check(({ value, issues }) => {
    if (value.spiffe_id === undefined || value.hint === undefined) return;
    issues.push({ code: 'custom', input: value, message: 'keep one of spiffe_id and hint' });
  })
  .readonly();

/** Texts that are not empty, each once. */
export function audiences(expected: string) {
  return z.array(text, expected).check(({ value, issues }) => {
    const i = value.findIndex((audience, i) => value.indexOf(audience) < i);
    if (i === -1) return;
    issues.push({ code: 'custom', input: value, path: [i], message: `${JSON.stringify(value[i])} stands there twice: keep one` });
  });
}

/** One of `secrets:`. */
export const namedSecret = oneOf({ svid, validation, jwt_svid: jwtSvid }, { name: secretName.min(1, NOT_EMPTY) });

/** A mapping with exactly one of several keys, beside those that it always has: a union whose problems are told by key. */
function oneOf<Choices extends z.ZodRawShape, Always extends z.ZodRawShape = Record<never, never>>(
  choices: Choices,
  always: Always = {} as Always,
) {
  const keys = Object.keys(choices);
  const schema = z.strictObject({ ...always, ...z.strictObject(choices).partial().shape }).check(({ value, issues }) => {
    const given = keys.filter((key) => Object.hasOwn(value, key));
    // An unknown key is told by itself, and is likely to be the one that seems to be missing.
    if (given.length === 1 || issues.some(({ code }) => code === 'unrecognized_keys')) return;
    const message = given.length === 0 ? `one of ${keys.join(', ')} must be there` : `keep one of ${given.join(' and ')}`;
    issues.push({ code: 'custom', input: value, message });
  });
  type OneChoice = { [K in keyof Choices]: { readonly [Key in K]: z.output<Choices[K]> } }[keyof Choices];
  type Value = { readonly [K in keyof Always]: z.output<Always[K]> } & OneChoice;
  return schema.readonly() as unknown as z.ZodType<Value>;
}

function parseSvidId(text: string): SpiffeId {
  const id = parseSpiffeId(text);
  if (pathOf(id) !== '') return id;
  throw new SpiffeSdsError(
    'spiffe_id_invalid',
    `${text} is a trust domain: the SPIFFE ID of an SVID has a path, as in ${text}/api`,
  );
}
