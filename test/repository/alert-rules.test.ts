import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { describeWithPrometheus, OBSERVABILITY, promtool } from '../support/telemetry/prometheus.ts';
import { metricsOf } from '../support/telemetry/promql.ts';
import { servedMetrics } from '../support/telemetry/served-metrics.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts?: readonly unknown[] }[];
  }[];
}

const RUNBOOK = 'https://github.com/spiffe-sds/spiffe-sds/blob/main/deploy/observability/README.md';
const text = (name: string) => readFileSync(join(OBSERVABILITY, name), 'utf8');
const { groups } = parse(text('rules.yaml')) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const checks = (parse(text('rules.test.yaml')) as RuleTests).tests.flatMap((test) => test.alert_rule_test);
const sections = [...text('README.md').matchAll(/^### (\S+)$/gm)].map(([, title = '']) => title);
const alerts = rules.map(({ alert }) => alert);

describeWithPrometheus()('promtool', () => {
  it.each([
    ['check', 'rules', '--lint=all', '--lint-fatal', 'rules.yaml'],
    ['test', 'rules', 'rules.test.yaml'],
    ['check', 'config', 'prometheus.yaml'],
  ])('%s %s', { timeout: 60_000 }, async (...args) => {
    const { ok, output } = await promtool([...args.slice(0, -1), join(OBSERVABILITY, args.at(-1) ?? '')]);

    expect(ok, output).toBe(true);
  });
});

describe('each alert', () => {
  it.each(alerts)('%s is fired by a test, and stays silent in another', (alert) => {
    const fired = checks.filter(({ alertname }) => alertname === alert).map(({ exp_alerts = [] }) => exp_alerts.length > 0);

    expect(fired).toContain(true);
    expect(fired).toContain(false);
  });

  it.each(rules)('$alert says how bad it is, where, and what to do', ({ alert, labels, annotations, expr }) => {
    expect(labels.severity).toMatch(/^(warning|critical)$/);
    expect(annotations.summary).not.toMatch(/\.$/);
    expect(annotations.description).toContain('{{ $labels.instance }}');
    expect(annotations.runbook_url).toBe(`${RUNBOOK}#${alert.toLowerCase()}`);
    const said = `${annotations.summary} ${annotations.description}`;
    if (expr.includes('spiffe_svid_')) expect(said).toContain('{{ $labels.spiffe_id }}');
    if (expr.includes('spiffe_bundle_')) expect(said).toContain('{{ $labels.spiffe_trust_domain }}');
  });

  it('has a section of the runbook, in the same order', () => {
    expect(sections).toEqual(alerts);
  });

  it.each(rules)('$alert asks for metrics that there are', ({ expr }) => {
    for (const metric of metricsOf(expr)) expect(['up', ...servedMetrics()]).toContain(metric);
  });

  it('keeps the job and the instance', () => {
    for (const { expr } of rules) {
      for (const [, labels = ''] of expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)) expect(labels).toMatch(/^job, instance\b/);
      expect(expr).not.toMatch(/\b(?:without|ignoring)\b/);
    }
  });
});
