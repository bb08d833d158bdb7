/** `spire-server` as a command that knows one agent, and writes down the entry that somebody creates with it. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const AGENT = 'spiffe://example.org/spire/agent/join_token/1';

export class SpireServer {
  /** To be in front of a PATH. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async install(parent: string): Promise<SpireServer> {
    const folder = join(parent, 'bin');
    await mkdir(folder);
    const program = join(folder, 'spire-server');
    await writeFile(
      program,
      `#!/bin/sh
case "$1 $2" in
'agent list') echo 'Found 1 attested agent:'; echo; echo 'SPIFFE ID         : ${AGENT}' ;;
'entry create') shift 2; for one in "$@"; do echo "$one"; done > '${folder}/entry' ;;
*) exit 1 ;;
esac
`,
    );
    await chmod(program, 0o755);
    return new SpireServer(folder);
  }

  /** The flags of the entry. @throws when none was created */
  async entry(): Promise<Readonly<Record<string, string>>> {
    const words = (await readFile(join(this.folder, 'entry'), 'utf8')).trim().split('\n');
    return Object.fromEntries(words.flatMap((word, i) => (word.startsWith('-') ? [[word, words[i + 1] ?? '']] : [])));
  }
}
