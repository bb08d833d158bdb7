let newest = 0;

/** A number for a message of the Workload API, unique in this process across all calls. */
export function nextMessageNumber(): number {
  newest += 1;
  return newest;
}
