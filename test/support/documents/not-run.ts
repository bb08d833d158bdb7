/** What no test can do: commands in the pages that are not run as they stand, and what is not here at all. docs/not-run.md shows both. */

/** What the machines of the tests lack. */
export interface Lacking {
  readonly what: string;
  readonly instead: string;
}

export const LACKING: readonly Lacking[] = [
  {
    what: "a Kubernetes cluster, with its network, SPIRE's CSI driver and controller manager, the Prometheus operator",
    instead:
      'the objects are held against Kubernetes\' schemas and Pod Security "restricted" (test/deploy/helm.test.ts, test/deploy/kustomize.test.ts); test/e2e/deploy/pod.test.ts makes their pods as a kubelet would, with real Envoys',
  },
  {
    what: 'Istio, Envoy Gateway, Kuma and Consul',
    instead: 'test/e2e/deploy/integrations.test.ts runs an Envoy with the configuration that each of them makes',
  },
  {
    what: 'a registry of images: nothing is pulled or pushed, and no digest of an image of somebody else is known',
    instead:
      'every image is named by its version (test/repository/version.test.ts); the tests build those that they need, and the release is an image layout in a file, which test/e2e/release takes apart and runs',
  },
  {
    what: 'publishing and signing: npm, a chart repository, cosign',
    instead: 'test/e2e/release installs from the files what a person would get from there',
  },
  {
    what: 'a machine of arm64',
    instead: "test/e2e/release runs the image for arm64 by qemu-user; of Debian's package for arm64 it looks at the contents",
  },
  {
    what: 'a running systemd',
    instead:
      "the unit is judged by systemd-analyze (test/deploy/debian.test.ts); test/e2e/release installs the package in a Debian of its own and starts the unit's command as its user",
  },
];

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
    reason:
      'it needs images from a registry; test/e2e/deploy/compose.test.ts brings the same file up with stand-ins of these images',
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
    reason: 'it installs tools on this machine; .ci/run has run them',
  },
  {
    page: 'CONTRIBUTING.md',
    begins: 'npm run test:envoys',
    reason:
      'it takes minutes; .ci/run does the first, test/fuzz, test/e2e/delivery/chaos.test.ts and test/e2e/deploy/bench.test.ts do others in short, the last is for quiet machines',
  },
  {
    page: 'docs/running.md',
    begins: 'docker build',
    reason: 'it needs an image from a registry; test/e2e/deploy/container.test.ts builds it with a stand-in of that image',
  },
  {
    page: 'docs/running.md',
    begins: 'docker run',
    reason: 'as above; test/e2e/deploy/container.test.ts runs it with the same restrictions',
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
    reason: 'it takes 12 minutes; test/e2e/delivery/chaos.test.ts is the short form',
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
    reason: 'it installs tools and takes minutes; .ci/run has run the first two, and test/e2e/release runs npm run release:dry',
  },
  {
    page: 'docs/releasing.md',
    begins: 'npm run release:twice',
    reason: 'it takes minutes; the parts that could differ are held in test/deploy/release-papers.test.ts',
  },
  {
    page: 'docs/releasing.md',
    begins: 'skopeo copy',
    reason: 'it publishes and signs',
  },
  {
    page: 'docs/releasing.md',
    begins: 'cosign verify-blob',
    reason: 'there is no release that somebody signed; test/e2e/release runs sha256sum',
  },
  {
    page: 'deploy/compose/README.md',
    begins: 'cd deploy/compose',
    reason:
      'it needs images from a registry; test/e2e/deploy/compose.test.ts brings the same file up with stand-ins of these images',
  },
  {
    page: 'deploy/compose/README.md',
    begins: 'docker compose down -v',
    reason: 'as above; the same test looks that nothing is left',
  },
  {
    page: 'deploy/compose/README.md',
    begins: 'docker compose --profile node up',
    reason: 'as above; test/e2e/deploy/compose-node.test.ts brings the profile up with the same stand-ins',
  },
  {
    page: 'deploy/compose/README.md',
    begins: 'docker compose --profile spire up',
    reason:
      'it needs images of SPIRE; test/e2e/deploy/compose-spire.test.ts brings the profile up with stand-ins of these images',
  },
  {
    page: 'deploy/compose/README.md',
    begins: 'docker compose --profile observability up',
    reason: 'it needs images from a registry; test/repository/deploy-compose.test.ts holds the file against its schema',
  },
  {
    page: 'deploy/debian/README.md',
    begins: 'apt install',
    reason:
      "it would change this machine; test/e2e/release runs apt's and usermod's line in a Debian of its own, which has no systemd for the last one",
  },
  {
    page: 'deploy/helm/README.md',
    begins: 'helm install',
    reason: 'it needs a cluster; test/deploy/helm.test.ts runs it with template in place of install',
  },
  {
    page: 'deploy/kubernetes/README.md',
    begins: 'kubectl apply -k',
    reason: 'it needs a cluster; test/deploy/kustomize.test.ts builds what it would apply',
  },
  {
    page: 'test/README.md',
    begins: 'npx vitest run',
    reason: 'it would run itself; CONTRIBUTING.md has two of these commands, which are run',
  },
];

/** @returns why nothing runs what begins like this; undefined when there is no reason */
export function reasonNotToRun(page: string, text: string): NotRun | undefined {
  return NOT_RUN.find((entry) => entry.page === page && text.startsWith(entry.begins));
}
