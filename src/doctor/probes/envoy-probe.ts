/** Asks an Envoy's admin interface. It shows no private key; of what it shows, only what findings need is kept. */
import { messageOf } from '../../error.ts';
import { type EnvoyFacts, readEnvoy } from '../envoy-facts.ts';

const STATS = '^sds\\.|^cluster\\..*overflow$';

/** @param url `http://IP:PORT` */
export async function probeEnvoy(url: string, timeoutMs: number): Promise<EnvoyFacts> {
  const base = url.replace(/\/+$/, '');
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
    if (!response.ok) throw new Error(`${path} answers ${response.status}`);
    return response.json();
  };
  try {
    const serverInfo = await ask('/server_info');
    const certs = await ask('/certs');
    const stats = await ask(`/stats?format=json&filter=${encodeURIComponent(STATS)}`);
    const configDump = await ask('/config_dump');
    return { kind: 'running', envoy: readEnvoy({ serverInfo, certs, stats, configDump }) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return { kind: 'failed', url, reason: `${messageOf(error)}${cause}` };
  }
}
