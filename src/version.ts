import manifest from '../package.json' with { type: 'json' };

/** How this program names itself to others: in metrics, traces, log records and audit lines. */
export const SERVICE_NAME = 'spiffe-sds';

/** The version of this release. */
export const version: string = manifest.version;
