/** Gets Helm and Kustomize for the tests: `npm run helm`. */
import { type GoTool, installGoTool } from '../go-install.ts';

export const HELM: GoTool = { name: 'helm', package: 'helm.sh/helm/v4/cmd/helm', version: 'v4.3.1' };
/** The newest that a Go of 1.26 compiles. */
export const KUSTOMIZE: GoTool = { name: 'kustomize', package: 'sigs.k8s.io/kustomize/kustomize/v5', version: 'v5.8.2' };

if (import.meta.main) {
  try {
    for (const tool of [KUSTOMIZE, HELM]) console.log(await installGoTool(tool));
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    process.exitCode = 1;
  }
}
