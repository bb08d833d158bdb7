/**
 * Runs a program in this process and writes down every module and every shared library that it loads, one a line, when it ends:
 * `node module-probe.ts LIST MAIN ARGUMENT…`.
 */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [node = '', , list = '', main = '', ...rest] = process.argv;
const loaded = new Set<string>();

registerHooks({
  resolve(specifier, context, nextResolve) {
    const found = nextResolve(specifier, context);
    loaded.add(found.url);
    return found;
  },
});
// How the release gets Node's own modules.
const getBuiltinModule = process.getBuiltinModule.bind(process);
process.getBuiltinModule = ((name: string) => {
  loaded.add(name.startsWith('node:') ? name : `node:${name}`);
  return getBuiltinModule(name);
}) as typeof process.getBuiltinModule;
const dlopen = process.dlopen.bind(process);
process.dlopen = (module: object, file: string, flags?: number) => {
  loaded.add(pathToFileURL(file).href);
  return flags === undefined ? dlopen(module, file) : dlopen(module, file, flags);
};
process.on('exit', () => writeFileSync(list, [...loaded].sort().join('\n')));
process.argv = [node, main, ...rest];
await import(pathToFileURL(main).href);
