/** Commands in the pages that no test can run as they stand, and why. */

export interface NotRun {
  readonly page: string;
  /** How the block begins. */
  readonly begins: string;
  readonly reason: string;
}

export const NOT_RUN: readonly NotRun[] = [
  {
    page: 'README.md',
    begins: 'npm ci && npm test',
    reason: 'it would run itself; .ci/run begins with it',
  },
  {
    page: 'README.md',
    begins: 'cd deploy/compose && docker compose up',
    reason: 'it needs images from a registry; test/e2e/compose.test.ts brings the same file up with stand-ins of these images',
  },
  {
    page: 'README.md',
    begins: 'AGENT=$(spire-server agent list',
    reason: "it needs SPIRE's server; what comes after it is run with a development Workload API at the agent's socket",
  },
  {
    page: 'docs/troubleshooting.md',
    begins: 'spiffe-sds doctor',
    reason: 'it needs a running sidecar; test/integration/doctor and test/e2e/doctor run it in good and bad hours',
  },
  {
    page: 'docs/authorization.md',
    begins: 'node deploy/opa/install.ts',
    reason: 'it builds OPA from its module; test/e2e/trust/authorization.test.ts runs the same commands where there is one',
  },
  {
    page: 'CONTRIBUTING.md',
    begins: 'npm ci',
    reason: 'the same command is run for README.md',
  },
  {
    page: 'CONTRIBUTING.md',
    begins: 'npm run envoy',
    reason: 'it installs tools on this machine; .ci/run has run all of them',
  },
  {
    page: 'CONTRIBUTING.md',
    begins: 'npm run test:envoys',
    reason:
      'it takes minutes; .ci/run does the first, test/fuzz, test/e2e/chaos.test.ts and bench.test.ts do others in short, the last is for quiet machines',
  },
  {
    page: 'docs/running.md',
    begins: 'npm pack',
    reason:
      'a global installation would change this machine; test/e2e/deploy/package.test.ts installs the package into an empty folder',
  },
  {
    page: 'docs/running.md',
    begins: 'docker build',
    reason: 'it needs an image from a registry; test/e2e/container.test.ts builds it with a stand-in of that image',
  },
  {
    page: 'docs/running.md',
    begins: 'docker run',
    reason: 'as above; test/e2e/container.test.ts runs it with the same restrictions',
  },
  {
    page: 'docs/envoy.md',
    begins: 'SDS_SOCKET=/run/spire/agent/api.sock',
    reason: 'it needs an SDS server of somebody else; without SDS_SOCKET the same tests are part of the suite',
  },
  {
    page: 'docs/high-availability.md',
    begins: 'npm run outages',
    reason: 'it takes minutes; test/e2e/delivery/outages.test.ts is the short form',
  },
  {
    page: 'docs/high-availability.md',
    begins: 'npm run bench',
    reason: 'its figures want a quiet machine; test/e2e/deploy/bench.test.ts is the short form',
  },
  {
    page: 'docs/reliability.md',
    begins: 'npm run chaos',
    reason: 'it takes 12 minutes; test/e2e/chaos.test.ts is the short form',
  },
  {
    page: 'docs/reliability.md',
    begins: 'npm run build && npm run hostile',
    reason: 'it takes up to an hour; test/hostile/short.test.ts is the short form',
  },
  {
    page: 'docs/integrations/istio.md',
    begins: 'helm upgrade istiod',
    reason: 'it needs a cluster with Istio; test/e2e/deploy/integrations.test.ts runs the Envoy that comes of it',
  },
  {
    page: 'docs/integrations/istio.md',
    begins: 'istioctl proxy-config',
    reason: 'as above',
  },
  {
    page: 'docs/integrations/gateways.md',
    begins: 'kubectl apply',
    reason: 'it needs a cluster with Envoy Gateway; test/e2e/deploy/integrations.test.ts runs the Envoy that comes of it',
  },
  {
    page: 'docs/releasing.md',
    begins: 'npm run helm',
    reason: 'it compiles Helm and takes minutes; test/deploy/release-papers.test.ts holds what it writes beside the packages',
  },
  {
    page: 'docs/releasing.md',
    begins: 'docker buildx',
    reason: 'it publishes',
  },
  {
    page: 'docs/releasing.md',
    begins: 'cosign verify-blob',
    reason: 'there is no release that somebody signed',
  },
];

/** @returns why nothing runs what begins like this; undefined when there is no reason */
export function reasonNotToRun(page: string, text: string): NotRun | undefined {
  return NOT_RUN.find((entry) => entry.page === page && text.startsWith(entry.begins));
}
