/** The chart, as those get it who name it among the dependencies of their own. */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtempDisposable, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { findGoTool } from '../../../deploy/go-install.ts';
import { HELM } from '../../../deploy/helm/install.ts';
import { EXAMPLE, helmExample, objectsOf } from '../../support/kubernetes/objects.ts';

const run = promisify(execFile);

/** @param release the folder, once it is there */
export function chartChecks(release: () => string, version: string): void {
  it('the chart makes of the example what it makes in the checkout', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'chart-'));
    const example = join(folder.path, 'example');
    await cp(EXAMPLE, example, { recursive: true });
    await rm(join(example, 'charts'), { recursive: true, force: true });
    await mkdir(join(example, 'charts'));
    await copyFile(join(release(), `spiffe-sds-chart-${version}.tgz`), join(example, 'charts', `spiffe-sds-${version}.tgz`));
    const { stdout } = await run(findGoTool(HELM) as string, ['template', 'demo', example, '--namespace', 'shop']);
    expect(objectsOf(stdout)).toEqual(await helmExample());
  });
}
