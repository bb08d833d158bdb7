/** The schema of `secrets:`, where operators define their own names. For the form of messages see schema.ts. */
import * as z from 'zod';
import { SpiffeSdsError } from '../../error.ts';
import { parseSpiffeId, parseTrustDomain, pathOf, type SpiffeId } from '../../spiffe/spiffe-id.ts';
import { textCodec } from '../values/codec.ts';
import { described } from './described.ts';

const NOT_EMPTY = 'a text that is not empty';

/** Any name that is not a SPIFFE ID, because a SPIFFE ID always names its own secret. */
export const secretName = z
  .string()
  .regex(/^(?!spiffe:\/\/)/, 'a name that does not begin with "spiffe://": such names are SPIFFE IDs');

export const validationMode = z.enum(['spiffe', 'trusted_ca']);

const text = (description: string) => described(z.string().min(1, NOT_EMPTY), { description });

const svid = described(
  oneOf({
    spiffe_id: described(
      textCodec<SpiffeId>(parseSvidId, (id) => id),
      { description: 'The SVID with this SPIFFE ID.', title: 'SPIFFE ID', pattern: '^spiffe://[^/]+/' },
    ),
    hint: text('The SVID to which the Workload API gives this hint.'),
  }),
  { description: 'A tls_certificate: which SVID it is.' },
);

const trustDomains = z
  .array(
    textCodec(parseTrustDomain, (name) => name),
    'a list of trust domains',
  )
  .min(1, 'a list of at least one trust domain (leave trust_domains out to mean all)')
  .check(({ value, issues }) => {
    // Envoy refuses a whole validation context that lists a trust domain twice.
    const i = value.findIndex((name, i) => value.indexOf(name) < i);
    if (i === -1) return;
    issues.push({ code: 'custom', input: value, path: [i], message: `${JSON.stringify(value[i])} stands there twice: keep one` });
  });

const validation = described(
  z
    .strictObject({
      trust_domains: described(trustDomains.readonly().optional(), {
        description: 'Whose bundles are in it; at least one, each once. Default: every bundle that there is.',
        title: 'list of trust domains',
      }),
      mode: described(validationMode.optional(), { description: 'As validation.mode, which is the default.' }),
      match: described(
        z
          .array(
            oneOf({
              exact: text('This SPIFFE ID.'),
              prefix: text('SPIFFE IDs that begin with this.'),
              suffix: text('SPIFFE IDs that end with this.'),
              regex: text('SPIFFE IDs that this regular expression matches as a whole. It is RE2, as Envoy reads it.'),
            }),
            'a list of matchers',
          )
          .readonly()
          .default([]),
        {
          description:
            'Which SPIFFE IDs are accepted: those that one of these matchers fits. []: all. Envoy adds them to the matchers in its own configuration, so they accept more peers, not fewer.',
          title: 'list of matchers',
        },
      ),
    })
    .readonly(),
  { description: 'A validation_context: whom it accepts.' },
);

const jwtSvid = described(
  z
    .strictObject({
      audience: described(audiences('a list of audiences').min(1, 'a list of at least one audience').readonly(), {
        description:
          'For whom the token is; at least one, each once. Who has a token for two can be used by one against the other.',
        title: 'list of audiences',
      }),
      spiffe_id: described(textCodec<SpiffeId>(parseSvidId, (id) => id).optional(), {
        description: 'Whose token: that of this identity. Default: that of the first SVID.',
        title: 'SPIFFE ID',
        pattern: '^spiffe://[^/]+/',
      }),
      hint: described(z.string().min(1, NOT_EMPTY).optional(), {
        description: 'Whose token: that of the first SVID to which the Workload API gives this hint.',
      }),
      format: described(z.enum(['bearer', 'raw']).default('bearer'), {
        description: "bearer: with `Bearer ` before it, as Envoy's credential_injector wants it. raw: the token alone.",
      }),
    })
    .check(({ value, issues }) => {
      if (value.spiffe_id === undefined || value.hint === undefined) return;
      issues.push({ code: 'custom', input: value, message: 'keep one of spiffe_id and hint' });
    })
    .readonly(),
  { description: 'A generic_secret: a JWT-SVID.' },
);

/** A list of texts that are not empty, without duplicates. */
export function audiences(expected: string) {
  return z.array(z.string().min(1, NOT_EMPTY), expected).check(({ value, issues }) => {
    const i = value.findIndex((audience, i) => value.indexOf(audience) < i);
    if (i === -1) return;
    issues.push({ code: 'custom', input: value, path: [i], message: `${JSON.stringify(value[i])} stands there twice: keep one` });
  });
}

/** One entry of `secrets:`. */
export const namedSecret = oneOf(
  { svid, validation, jwt_svid: jwtSvid },
  {
    name: described(secretName.min(1, NOT_EMPTY), {
      description: 'What Envoy asks for: no SPIFFE ID, and no name that is served anyway.',
    }),
  },
);

/** A mapping with exactly one of the keys of `choices`, and the keys of `always`. Unlike with a zod union, each problem names its key. */
function oneOf<Choices extends z.ZodRawShape, Always extends z.ZodRawShape = Record<never, never>>(
  choices: Choices,
  always: Always = {} as Always,
) {
  const keys = Object.keys(choices);
  const schema = z.strictObject({ ...always, ...z.strictObject(choices).partial().shape }).check(({ value, issues }) => {
    const given = keys.filter((key) => Object.hasOwn(value, key));
    // An unknown key has its own problem, and is probably a misspelt form of the missing key.
    if (given.length === 1 || issues.some(({ code }) => code === 'unrecognized_keys')) return;
    const message = given.length === 0 ? `one of ${keys.join(', ')} must be there` : `keep one of ${given.join(' and ')}`;
    issues.push({ code: 'custom', input: value, message });
  });
  type OneChoice = { [K in keyof Choices]: { readonly [Key in K]: z.output<Choices[K]> } }[keyof Choices];
  type Value = { readonly [K in keyof Always]: z.output<Always[K]> } & OneChoice;
  z.globalRegistry.add(schema, { oneOf: keys.map((key) => ({ required: [key] })) });
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
