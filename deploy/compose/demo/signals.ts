/** The first process of a container ends at a signal only if it says so. */
export function endAtSigterm(): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
}
