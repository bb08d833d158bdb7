/**
 * Whether Falco would load our rules. Falco itself is in no package registry that the tests can use, so what follows is what its rule schema
 * says, written down here: keys, priorities, and names that must be defined before they are used.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';

const FILE = join(import.meta.dirname, '..', '..', 'deploy', 'falco', 'spiffe-sds.yaml');
const TEXT = readFileSync(FILE, 'utf8');

const list = z.strictObject({ list: z.string(), items: z.array(z.union([z.string(), z.int()])) });
const macro = z.strictObject({ macro: z.string(), condition: z.string() });
const rule = z.strictObject({
  rule: z.string(),
  desc: z.string().min(1),
  condition: z.string().min(1),
  output: z.string().min(1),
  priority: z.enum(['EMERGENCY', 'ALERT', 'CRITICAL', 'ERROR', 'WARNING', 'NOTICE', 'INFO', 'INFORMATIONAL', 'DEBUG']),
  tags: z.array(z.string()),
  enabled: z.boolean().optional(),
});
const engine = z.strictObject({ required_engine_version: z.string().regex(/^\d+\.\d+\.\d+$/) });
const rules = z.array(z.union([list, macro, rule, engine]));

/** Of those that Falco's documentation lists for system calls. */
const FIELDS = new Set(
  `evt.type evt.dir evt.is_open_write fd.type fd.name fd.sport proc.name proc.cmdline proc.pname proc.pcmdline user.name user.uid
  container.id`.split(/\s+/),
);
const OPERATORS = new Set(['and', 'or', 'not', 'in', 'contains', 'startswith', 'glob', '=', '<', 'true']);

describe('deploy/falco/spiffe-sds.yaml', () => {
  const parsed = rules.parse(parse(TEXT));

  test('has only keys, priorities and forms that the rule schema knows', () => {
    expect(parsed.filter((entry) => 'rule' in entry).length).toBeGreaterThanOrEqual(5);
  });

  test('uses only fields that there are, in conditions and in outputs', () => {
    for (const entry of parsed) {
      const condition = 'condition' in entry ? entry.condition.replaceAll(/"[^"]*"/g, '') : '';
      const output = 'output' in entry ? entry.output : '';
      const used = [
        ...(condition.match(/\b(evt|fd|proc|user|container)\.[a-z_.]+/g) ?? []),
        ...[...output.matchAll(/%([a-z._]+)/g)].map(([, field]) => field ?? ''),
      ];
      expect(used.filter((field) => !FIELDS.has(field))).toEqual([]);
    }
  });

  test('defines each list and macro before it is used, and uses each', () => {
    const known = new Set<string>();
    const used = new Set<string>();
    for (const entry of parsed) {
      const condition = 'condition' in entry ? entry.condition.replaceAll(/"[^"]*"/g, '') : '';
      for (const name of condition.match(/\bspiffe_[a-z_]+/g) ?? []) {
        expect(known).toContain(name);
        used.add(name);
      }
      if ('list' in entry) known.add(entry.list);
      if ('macro' in entry) known.add(entry.macro);
    }
    expect(used).toEqual(known);
  });

  test('closes each parenthesis, and has no word that is neither field, operator nor value', () => {
    for (const entry of parsed) {
      if (!('condition' in entry)) continue;
      const bare = entry.condition.replaceAll(/"[^"]*"/g, '').replaceAll(/\([^()]*,[^()]*\)/g, '');
      expect(bare.split('(').length).toBe(bare.split(')').length);
      const words = bare.split(/[\s()]+/).filter((word) => word !== '');
      const strange = words.filter(
        (word, i) =>
          !OPERATORS.has(word) &&
          !FIELDS.has(word) &&
          !/^spiffe_/.test(word) &&
          !/^(=|startswith|glob|contains)$/.test(words[i - 1] ?? ''),
      );
      expect(strange).toEqual([]);
    }
  });

  test('explains each rule: a comment stands above it', () => {
    for (const entry of parsed)
      if ('rule' in entry) expect(TEXT).toMatch(new RegExp(`\\n# [^\\n]+\\n- rule: ${entry.rule.replaceAll(/[()]/g, '.')}\\n`));
  });

  test('names the default sockets of both sides', () => {
    expect(TEXT).toContain('/run/spiffe-sds/sds.sock');
    expect(TEXT).toContain('/run/spire/agent/api.sock');
  });
});
