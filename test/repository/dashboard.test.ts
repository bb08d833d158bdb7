import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { expressionsOf, readDashboard } from '../support/telemetry/dashboard.ts';
import { describeWithPrometheus, promtool } from '../support/telemetry/prometheus.ts';
import { metricsOf } from '../support/telemetry/promql.ts';
import { servedMetrics } from '../support/telemetry/served-metrics.ts';

const dashboard = readDashboard();
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const expressions = expressionsOf(dashboard);

describe('the dashboard', () => {
  it('can be found again, and asks for a data source, a job and an instance', () => {
    expect(dashboard.uid).toMatch(/^[a-z-]{8,40}$/);
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(41);
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
    ]);
  });

  it('gives each panel an id and a title of its own', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(new Set(dashboard.panels.map(({ title }) => title)).size).toBe(dashboard.panels.length);
  });

  it.each(panels)('$title says what it shows, in which unit, from the chosen data source', (panel) => {
    expect(panel.description).toMatch(/\.$/);
    const { targets = [] } = panel;
    expect(targets).not.toHaveLength(0);
    for (const { datasource } of [panel, ...targets]) expect(datasource?.uid).toMatch(/^\$\{datasource\}$/);
    if (panel.type === 'stat' || panel.type === 'timeseries') expect(panel.fieldConfig?.defaults.unit).toBeDefined();
    expect(panel.fieldConfig?.defaults.thresholds?.steps[0]?.value).toBeNull();
  });

  it('fills its 24 columns, and no panel lies on another', () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken, title).not.toContain(`${x}:${y}`);
          taken.add(`${x}:${y}`);
        }
      }
    }
    const height = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    expect(taken.size).toBe(24 * height);
  });

  it.each(expressions)('$title ($refId) asks for metrics that there are', ({ expression }) => {
    expect(metricsOf(expression)).not.toHaveLength(0);
    for (const metric of metricsOf(expression)) expect(servedMetrics()).toContain(metric);
  });

  it.each(dashboard.panels.flatMap(({ targets = [] }) => targets))('$expr keeps to the chosen sidecars', ({ expr }) => {
    const selectors = [...expr.matchAll(/\{[^}]*\}/g)].map(([selector]) => selector);

    expect(selectors).toHaveLength([...expr.matchAll(/\b(?:spiffe|target|process|nodejs)_\w+\{/g)].length);
    for (const selector of selectors) expect(selector).toContain('job=~"$job", instance=~"$instance"');
  });

  it('shows everything that is measured', () => {
    const shown = new Set(expressions.flatMap(({ expression }) => metricsOf(expression)));
    const families = servedMetrics().filter((name) => !/_(sum|count)$/.test(name));

    expect(families.filter((name) => !shown.has(name))).toEqual([]);
  });
});

describeWithPrometheus()('promtool', () => {
  it('reads every expression of the dashboard', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    const file = join(folder.path, 'expressions.yaml');
    const rules = expressions.map(({ expression }, i) => ({ record: `expression_${i}`, expr: expression }));
    await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules }] }));

    const { ok, output } = await promtool(['check', 'rules', file]);

    expect(ok, output).toBe(true);
  });
});
