/** The commands of the pages do what the pages say: those in ```sh test run here, as a reader types them. */
import { mkdir, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findOpenBao } from '../../../deploy/integrations/vault/install.ts';
import { findPrometheus } from '../../../deploy/observability/install.ts';
import { findEnvoy } from '../../../envoy/install.ts';
import { describeWith } from '../../support/describe-with.ts';
import { fencesOf, pages, ROOT } from '../../support/documents/document.ts';
import { clone, missingForTerminal, runInTerminal } from '../../support/documents/terminal.ts';

const LIMIT_MS = 480_000;
/** In place of SPIRE's agent. */
const WORKLOAD_API = {
  at: 'a development Workload API',
  text: [
    `mkdir -p /run/spire/agent; ${process.execPath} ${ROOT}/src/cli/main.ts dev --workload-api unix:///run/spire/agent/api.sock`,
    "--listen unix:///run/spire/agent/sds.sock --admin ''",
  ].join(' '),
  until: 'Ctrl-C stops it',
};

const missing = missingForTerminal() ?? (findEnvoy() === undefined ? 'there is no Envoy here: npm run envoy gets it' : undefined);

const commandsOf = (page: string) => fencesOf(page).filter(({ language, check }) => language === 'sh' && check === 'test');

describeWith(missing === undefined ? 'a terminal' : undefined, missing ?? '')('the commands of', () => {
  const prometheus = findPrometheus('prometheus');
  const openbao = findOpenBao();
  // On CI there are both, or their own tests fail.
  const runnable = (page: string) =>
    (prometheus !== undefined || !page.startsWith('deploy/observability')) &&
    (openbao !== undefined || page !== 'docs/integrations/vault.md');
  it.each(pages().filter((page) => commandsOf(page).length > 0 && runnable(page)))(
    '%s',
    async (page) => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'page-'));
      const [checkout, home] = [join(folder.path, 'spiffe-sds'), join(folder.path, 'home')];
      await mkdir(home);
      // A reader of README.md installs the packages with its first command.
      await clone(checkout, { installed: page !== 'README.md' });
      const commands = commandsOf(page);
      const written = await runInTerminal(commands, {
        checkout,
        home,
        limitMs: LIMIT_MS,
        programs: prometheus === undefined ? {} : { prometheus },
        before: [WORKLOAD_API],
      });
      for (const { at } of commands) expect(written).toContain(`--- ${at}`);
    },
    LIMIT_MS + 30_000,
  );
});
