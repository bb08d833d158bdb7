/** All attacks, by what they do. */
import type { Attack } from './attack.ts';
import { BYTES } from './attacks/bytes.ts';
import { CALLS } from './attacks/calls.ts';
import { FRAMES } from './attacks/frames.ts';
import { NAMES } from './attacks/names.ts';

export const FAMILIES: Readonly<Record<string, Readonly<Record<string, Attack>>>> = {
  bytes: BYTES,
  names: NAMES,
  calls: CALLS,
  frames: FRAMES,
};
export const ATTACKS: Readonly<Record<string, Attack>> = { ...BYTES, ...NAMES, ...CALLS, ...FRAMES };
