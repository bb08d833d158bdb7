/** A YAML file as plain values that still know where they stand. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { messageOf } from '../../error.ts';

/** Where a value stands. */
export interface Place {
  /** From 1, as is `column`: where its key begins, or the item of a list. */
  readonly line: number;
  readonly column: number;
  /** A scalar as the file writes it, without quotes. */
  readonly written?: string | undefined;
}

export interface YamlFile {
  readonly name: string;
  /** The content; `undefined` when there is none, or when it is no YAML. */
  readonly content: unknown;
  /** What is wrong with it as YAML, each with its place. */
  readonly problems: readonly string[];
  /** The place of what is at a path; the file's begin for the empty path. */
  find(path: readonly PropertyKey[]): Place | undefined;
}

/** Reads YAML 1.2; duplicate keys, unknown tags and a second document are problems. */
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

  // After a syntax error the rest is guesswork; a duplicate key or an unknown tag leaves the rest readable.
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

/** Where the parser speaks to programmers, or names no key. */
function inOurWords(code: string, source: string): string | undefined {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: keep one';
  if (code !== 'DUPLICATE_KEY') return undefined;
  const key = source
    .split(/[:\n]/, 1)[0]
    ?.trim()
    .replace(/^(["'])(.*)\1$/, '$2');
  return `duplicate key ${JSON.stringify(key)}: keep one`;
}
