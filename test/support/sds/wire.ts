/** The ways in which an Envoy can speak SDS. */
import { type Document, visit } from 'yaml';
import { ResourceFile } from './resource-file.ts';

export interface Wire {
  readonly api: 'GRPC' | 'DELTA_GRPC';
  /** One aggregated stream for all secrets, instead of a stream for each. */
  readonly ads: boolean;
  /** Envoy's newer implementation of xDS, off by default. */
  readonly unifiedMux: boolean;
  readonly name: string;
}

export const WIRES: readonly Wire[] = [false, true].flatMap((unifiedMux) =>
  [false, true].flatMap((ads) =>
    (['GRPC', 'DELTA_GRPC'] as const).map((api) => {
      const protocol = `${api === 'GRPC' ? 'state of the world' : 'delta'}, ${ads ? 'aggregated' : 'a stream for each secret'}`;
      return { api, ads, unifiedMux, name: unifiedMux ? `${protocol}, unified mux` : protocol };
    }),
  ),
);

/** The ones that Envoy speaks by default. */
export const LEGACY_WIRES = WIRES.filter(({ unifiedMux }) => !unifiedMux);

/**
 * Changes a shipped bootstrap: all that stands under its one anchor for SDS.
 * @param folder for what the bootstrap cannot hold
 */
export async function speak(bootstrap: Document, { api, ads, unifiedMux }: Wire, folder: string): Promise<void> {
  const runtime = { layers: [{ name: 'mux', static_layer: { 'envoy.reloadable_features.unified_mux': unifiedMux } }] };
  bootstrap.set('layered_runtime', runtime);
  visit(bootstrap, {
    Map(_, source) {
      if (source.anchor !== 'sds') return;
      source.setIn(['api_config_source', 'api_type'], api);
      if (!ads) return;
      bootstrap.setIn(['dynamic_resources', 'ads_config'], source.get('api_config_source'));
      source.delete('api_config_source');
      source.set('ads', bootstrap.createNode({}));
    },
  });
  if (ads) await moveClusters(bootstrap, folder);
}

/** Envoy loads its static clusters before it has an aggregated stream, and crashes when one of them wants a secret from there. */
async function moveClusters(bootstrap: Document, folder: string): Promise<void> {
  const { node, static_resources } = bootstrap.toJS();
  const [sds, ...others] = static_resources.clusters;
  if (others.length === 0) return;
  const file = await ResourceFile.create('cds', folder, `clusters-of-${node.id}`, others);
  file.addTo(bootstrap);
  bootstrap.setIn(['static_resources', 'clusters'], [sds]);
  const manager = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config'];
  bootstrap.setIn([...manager, 'route_config', 'validate_clusters'], false);
}
