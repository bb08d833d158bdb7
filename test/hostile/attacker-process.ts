/** A process that attacks a socket for some seconds: `node attacker-process.ts SOCKET SECONDS ATTACK…`. Several attacks begin at once. */
import process from 'node:process';
import { Attacker } from './attack.ts';
import { ATTACKS } from './attacks.ts';

const [, , socket = '', seconds = '', ...names] = process.argv;
// It is told when it can begin: what it took to load is not part of the attack.
process.send?.('ready');
process.once('message', () => {
  void Promise.all(names.map((name) => ATTACKS[name]?.(new Attacker(socket, performance.now() + Number(seconds) * 1_000)))).then(
    () => process.exit(),
  );
});
