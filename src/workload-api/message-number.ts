let newest = 0;

/** The number of a message of the Workload API: unique in this process, whichever call it came by. */
export function nextMessageNumber(): number {
  newest += 1;
  return newest;
}
