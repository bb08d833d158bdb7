/** Resolves at the first SIGTERM or SIGINT. Later ones are ignored: npm passes on a Ctrl-C that the terminal has sent already. */
export function terminated(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
  });
}
