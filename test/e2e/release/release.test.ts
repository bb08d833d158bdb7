/** What `npm run release:dry` makes, as those get it who take a release. RELEASE=FOLDER looks at one that is there. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll } from 'vitest';
import { whyNoRelease } from '../../../deploy/release/dry.ts';
import { describeWith } from '../../support/describe-with.ts';
import { ROOT } from '../../support/documents/document.ts';
import { DebianSystem } from '../../support/release/debian-system.ts';
import { UnpackedImage } from '../../support/release/image-layout.ts';
import { chartChecks } from './chart.ts';
import { debianChecks } from './debian.ts';
import { imageChecks } from './image.ts';
import { npmChecks } from './npm.ts';
import { paperChecks } from './papers.ts';

const LIMIT_MS = 300_000;
const missing = whyNoRelease() ?? UnpackedImage.missing() ?? DebianSystem.missing();
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

describeWith(missing === undefined ? 'release' : undefined, missing ?? '')('the release', () => {
  let folder: string;
  let debian: DebianSystem;
  beforeAll(async () => {
    const stack = new AsyncDisposableStack();
    const made = stack.use(await mkdtempDisposable(join(tmpdir(), 'release-'))).path;
    folder = process.env['RELEASE'] ?? made;
    const release =
      folder === made ? promisify(execFile)('npm', ['run', '--silent', 'release:dry', made], { cwd: ROOT }) : undefined;
    [debian] = await Promise.all([DebianSystem.make(), release]);
    stack.use(debian);
    return () => stack.disposeAsync();
  }, LIMIT_MS);

  paperChecks(() => folder, version);
  npmChecks(() => folder, version);
  debianChecks(
    () => folder,
    () => debian,
    version,
  );
  chartChecks(() => folder, version);
  imageChecks(() => folder, version);
});
