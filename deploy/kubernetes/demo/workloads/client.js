// Calls the server by plain HTTP to its own Envoy, again and again, and counts: one line a second, and one at the end.
import { setTimeout } from 'node:timers/promises';

const { INTERVAL_MS = '1000', CONCURRENCY = '1', TARGET = 'http://127.0.0.1:8081/' } = process.env;
const told = { answered: 0, failed: 0, last: '', lastFailure: '' };
let stopping = false;

async function call() {
  try {
    const response = await fetch(TARGET, { signal: AbortSignal.timeout(10_000) });
    const text = (await response.text()).trim();
    if (!response.ok) throw new Error(`${response.status} ${text}`);
    told.answered += 1;
    told.last = text;
  } catch (error) {
    told.failed += 1;
    told.lastFailure = `${error.message}: ${error.cause?.message ?? ''}`;
  }
}

async function caller() {
  while (!stopping) {
    await call();
    await setTimeout(Number(INTERVAL_MS));
  }
}

const telling = setInterval(() => console.log(JSON.stringify(told)), 1_000);
process.once('SIGTERM', () => {
  stopping = true;
});
await Promise.all(Array.from({ length: Number(CONCURRENCY) }, caller));
clearInterval(telling);
console.log(JSON.stringify(told));
