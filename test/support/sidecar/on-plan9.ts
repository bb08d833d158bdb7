/** Runs a program as if this were a platform on which nobody can be asked who a peer is: `node on-plan9.ts MAIN ARGUMENT…`. */
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [node = '', , main = '', ...rest] = process.argv;
Object.defineProperty(process, 'platform', { value: 'plan9' });
process.argv = [node, main, ...rest];
await import(pathToFileURL(main).href);
