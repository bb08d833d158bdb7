import { ERRORS } from '../../src/error.ts';
import { code, MADE } from './markdown.ts';

const HEAD = `# Errors

Every error of spiffe-sds has one of these codes. A command prints the message of an error, one sentence, to stderr, and ends: with exit code
2 after wrong usage or configuration, with 1 after anything else. The running sidecar does not end for what the Workload API or an Envoy
sends: it tells the code of a discarded message as \`code\` of the event \`context_discarded\` in the log, and as \`metadata.code\` of
\`message.discarded\` in the audit log. The code does not change from one version to the next; the message may.

No message holds a private key or a token. [docs/troubleshooting.md](troubleshooting.md) begins with what you see instead.
`;

export function errorsPage(): string {
  const sections = Object.entries(ERRORS).map(
    ([name, { meaning, remedy, exitCode }]) =>
      `\n## ${name}\n\n${meaning}\n\n*What to do:* ${remedy}\n\n*A command that it ends has* exit code ${code(String(exitCode))}.\n`,
  );
  return [MADE, HEAD, ...sections].join('');
}
