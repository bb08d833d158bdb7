/** What `--help` says after the options: how the commands are used. */
import type { Command } from 'commander';

const AFTER: Readonly<Record<string, string>> = {
  serve: `
The environment alone is enough, without a file:
  SPIFFE_ENDPOINT_SOCKET=unix:///run/spire/agent/api.sock spiffe-sds

SIGTERM and SIGINT end it, SIGHUP loads the configuration again.`,
  dev: `
Examples:
  spiffe-sds dev --svid-ttl 1m               rotates every 30 seconds
  spiffe-sds dev --id /backend --id /web     two identities of your own`,
  check: `
Examples:
  spiffe-sds check --config /etc/spiffe-sds/spiffe-sds.yaml
  spiffe-sds check > effective.yaml          warnings go to stderr

Run it as the user that serve runs as: it tries the socket, too.`,
  get: `
Examples:
  spiffe-sds get                             all that there is
  spiffe-sds get default --watch             each rotation
  spiffe-sds get ROOTCA --output pem         a bundle, for openssl`,
  status: `
Examples:
  spiffe-sds status --watch
  spiffe-sds status --ready                  exit code 0: ready, 1: not
  spiffe-sds status --output json | jq .held`,
  doctor: `
Examples:
  spiffe-sds doctor
  spiffe-sds doctor --envoy-admin http://127.0.0.1:9901
  spiffe-sds doctor --bootstrap envoy.yaml --uid 101`,
  bootstrap: `
Examples:
  spiffe-sds bootstrap spiffe://example.org/backend --allow spiffe://example.org/frontend
  spiffe-sds bootstrap spiffe://example.org/frontend --role client \\
    --peer spiffe://example.org/backend --upstream 10.0.0.7:8443`,
  schema: `
For editors: put its path into the first line of the file,
  # yaml-language-server: $schema=PATH`,
  completion: `
Examples:
  source <(spiffe-sds completion bash)       in ~/.bashrc
  source <(spiffe-sds completion zsh)        in ~/.zshrc, after compinit
  spiffe-sds completion fish | source        in ~/.config/fish/config.fish`,
};

/** Gives the commands their examples. */
export function explain(program: Command): void {
  program.addHelpText('after', '\nExit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.');
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) {
    const text = AFTER[command.name()];
    if (text !== undefined) command.addHelpText('after', text);
  }
}
