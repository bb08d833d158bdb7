/**
 * What `#…` in a link can name in a page: its headings as GitHub makes identifiers of them, in lower case, with hyphens for spaces and
 * without other punctuation. Two headings of one text are not told apart.
 */
export function headingIds(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) => title);
  return new Set(
    headings.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}
