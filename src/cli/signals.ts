/** Resolves at the first SIGTERM or SIGINT. A second one ends the process at once, as it would have without us. */
export function terminated(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}
