/** `deploy/observability/dashboard.json`, as far as the tests look at it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OBSERVABILITY } from './prometheus.ts';

interface Datasource {
  readonly type: string;
  readonly uid: string;
}

interface Query {
  readonly refId: string;
  readonly expr: string;
  readonly datasource?: Datasource;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: Datasource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Query[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] };
    };
  };
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
}

export interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly annotations: { readonly list: readonly { readonly name: string; readonly target?: Query }[] };
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

export interface Expression {
  /** The panel, or the annotation, that asks for it. */
  readonly title: string;
  readonly refId: string;
  /** With every variable set to "all". */
  readonly expression: string;
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(OBSERVABILITY, 'dashboard.json'), 'utf8')) as Dashboard;
}

/** Everything that it asks Prometheus. */
export function expressionsOf({ panels, annotations }: Dashboard): readonly Expression[] {
  const fromPanels = panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, target })));
  const fromAnnotations = annotations.list.flatMap(({ name, target }) => (target === undefined ? [] : [{ title: name, target }]));
  return [...fromPanels, ...fromAnnotations].map(({ title, target: { refId, expr } }) => ({
    title,
    refId,
    expression: expr.replaceAll('$job', '.*').replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m'),
  }));
}
