/** Descriptions of the text formats that several keys share, for the JSON Schema. */
import { DURATION_PATTERN } from '../values/duration.ts';
import { SIZE_PATTERN } from '../values/size.ts';

export const DURATION = { title: 'duration', pattern: DURATION_PATTERN } as const;
export const SIZE = { title: 'size', pattern: SIZE_PATTERN } as const;
export const UNIX_SOCKET = { title: 'Unix socket', pattern: '^unix:/', examples: ['unix:///run/spiffe-sds/sds.sock'] } as const;
export const ENDPOINT = { title: 'address', pattern: '^(unix|tcp):/', examples: ['unix:///run/spire/agent/api.sock'] } as const;
