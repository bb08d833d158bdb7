/** Strings, times and bytes as they ought not to be. */
import { TAG } from '../../support/x509/raw-crl.ts';
import type { Random } from '../random.ts';
import type { Node } from './der-tree.ts';

export const STRINGS: readonly (readonly [tag: number, write: (text: string) => Buffer])[] = [
  [0x0c, (text) => Buffer.from(text)],
  [0x13, (text) => Buffer.from(text, 'latin1')],
  [0x14, (text) => Buffer.from(text, 'latin1')],
  [0x16, (text) => Buffer.from(text, 'latin1')],
  [0x1a, (text) => Buffer.from(text, 'latin1')],
  [0x1b, (text) => Buffer.from(text, 'latin1')],
  [
    0x1c,
    (text) =>
      Buffer.from(text, 'utf16le')
        .swap16()
        .toString('latin1')
        .split('')
        .reduce(
          (all, _, i, letters) =>
            i % 2 === 0 ? Buffer.concat([all, Buffer.from(`\0\0${letters[i]}${letters[i + 1]}`, 'latin1')]) : all,
          Buffer.alloc(0),
        ),
  ],
  [0x1e, (text) => Buffer.from(text, 'utf16le').swap16()],
];
export const TEXTS = [
  'Authority of Peers',
  'AUTHORITY OF PEERS',
  ' authority  of \tpeers ',
  '\nAuthority of Peers',
  'Authority ofPeers',
  'Authority of Peers\0',
  'Authority\u00a0of Peers',
  'Authority of P\u00e9ers',
  '',
  ' ',
];

export function timesLike({ tag, content }: Node, random: Random): readonly (readonly [number, string])[] {
  const text = content.toString('latin1');
  const utc = tag === TAG.utcTime ? text : text.slice(2);
  const full = tag === TAG.utcTime ? `20${text}` : text;
  const both = (change: (digits: string) => string) =>
    [
      [TAG.utcTime, change(utc)],
      [TAG.generalizedTime, change(full)],
    ] as const;
  const at = (from: number, digits: string) => (whole: string) => {
    const start = whole.length - 13 + from;
    return whole.slice(0, start) + digits + whole.slice(start + digits.length);
  };
  return [
    ...both((whole) => whole),
    ...both((whole) => whole.replace('Z', '+0000')),
    ...both((whole) => whole.replace('Z', '-0100')),
    ...both((whole) => whole.replace('Z', '.5Z')),
    ...both((whole) => whole.replace('Z', '.0Z')),
    ...both((whole) => whole.replace('Z', '')),
    ...both((whole) => whole.replace('Z', 'z')),
    ...both((whole) => `${whole.slice(0, -3)}Z`),
    ...both(at(2, '13')),
    ...both(at(2, '00')),
    ...both(at(2, '0230')),
    ...both(at(2, '0229')),
    ...both(at(2, '0431')),
    ...both(at(4, '00')),
    ...both(at(6, '24')),
    ...both(at(6, '235960')),
    ...both(at(8, '60')),
    ...both(at(0, '49')),
    ...both(at(0, '50')),
    ...both(at(0, '00')),
    [TAG.generalizedTime, '99991231235959Z'],
    [TAG.generalizedTime, '00000101000000Z'],
    [TAG.generalizedTime, '19491231235959Z'],
    [TAG.generalizedTime, '00991231235959Z'],
    [TAG.utcTime, '491231235959Z'],
    [TAG.utcTime, '500101000000Z'],
    [TAG.utcTime, flipped(Buffer.from(utc), random).toString('latin1')],
    [TAG.generalizedTime, flipped(Buffer.from(full), random).toString('latin1')],
  ];
}

export function flipped(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  const at = random.below(Math.max(1, changed.length));
  if (changed.length > 0) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  return changed;
}
