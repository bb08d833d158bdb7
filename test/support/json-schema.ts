/** Whether documents fit a JSON Schema, by an implementation of the specification that has nothing to do with ours: Python's jsonschema. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { PYTHON_PACKAGES } from './containers/install.ts';

const SCRIPT = `
import json, sys
from jsonschema import Draft7Validator
asked = json.load(sys.stdin)
Draft7Validator.check_schema(asked["schema"])
validator = Draft7Validator(asked["schema"])
def told(error): return "/".join(map(str, error.absolute_path)) + ": " + error.message
print(json.dumps([[told(error) for error in validator.iter_errors(one)] for one in asked["documents"]]))
`;

/**
 * @returns for each document, what is wrong with it
 * @throws when the schema is none of draft 7
 */
export async function schemaProblems(schema: object, documents: readonly unknown[]): Promise<readonly (readonly string[])[]> {
  const child = spawn('python3', ['-c', SCRIPT], { env: { ...process.env, PYTHONPATH: PYTHON_PACKAGES } });
  const answered = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  child.stdin.end(JSON.stringify({ schema, documents }));
  const [output, errors, [code]] = await answered;
  if (code !== 0) throw new Error(errors);
  return JSON.parse(output);
}
