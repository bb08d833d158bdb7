/** Reads a YAML file as plain values and remembers the line and column of each. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { messageOf } from '../../error.ts';

/** The place of a value in the file: where its key or its list item begins. */
export interface Place {
  /** Line and column begin with 1. */
  readonly line: number;
  readonly column: number;
  /** The text of a scalar in the file, without quotes. */
  readonly written?: string | undefined;
}

/** A YAML file that was read, perhaps with problems. */
export interface YamlFile {
  readonly name: string;
  /** The content; `undefined` when the file is empty or not YAML. */
  readonly content: unknown;
  /** The YAML errors, each with its place. */
  readonly problems: readonly string[];
  /** The place of the value at a path; the begin of the file for the empty path. */
  find(path: readonly PropertyKey[]): Place | undefined;
}

/** Reads YAML 1.2. It reports duplicate keys, unknown tags and a second document as problems. */
export function parseYaml(name: string, text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const problems = [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}: ${inOurWords(code, text.slice(offset)) ?? message}`;
  });

  const find = (path: readonly PropertyKey[]): Place | undefined => {
    let key: Node | null = null;
    let value: Node | null | undefined = document.contents;
    for (const part of path) {
      const parent: unknown = isAlias(value) ? value.resolve(document) : value;
      if (isSeq<Node | null>(parent) && parent.items[Number(part)] !== undefined) {
        [key, value] = [null, parent.items[Number(part)]];
        continue;
      }
      const pair = isMap<Node, Node | null>(parent)
        ? parent.items.findLast((item) => keyText(item.key) === String(part))
        : undefined;
      if (pair === undefined) return undefined;
      ({ key, value } = pair);
    }
    const { line, col } = lines.linePos((key ?? value)?.range?.[0] ?? 0);
    return { line: Math.max(line, 1), column: Math.max(col, 1), written: isScalar(value) ? value.source : undefined };
  };

  // After a syntax error the rest of the file cannot be trusted. After a duplicate key or an unknown tag it can.
  if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return { name, content: undefined, problems, find };
  try {
    return { name, content: document.toJS(), problems, find };
  } catch (error) {
    return { name, content: undefined, problems: [...problems, `${name}: ${messageOf(error)}`], find };
  }
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

/** Better messages for errors where the parser's message does not name the key or does not help an operator. */
function inOurWords(code: string, source: string): string | undefined {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: keep one';
  if (code !== 'DUPLICATE_KEY') return undefined;
  const key = source
    .split(/[:\n]/, 1)[0]
    ?.trim()
    .replace(/^(["'])(.*)\1$/, '$2');
  return `duplicate key ${JSON.stringify(key)}: keep one`;
}
