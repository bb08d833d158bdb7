/** How many there are now. */
export interface SidecarCounts {
  readonly connections: number;
  readonly streams: number;
  /** Names, counted once for each stream that asks for them. */
  readonly subscriptions: number;
  /** Those that there is nothing to send for. */
  readonly held: number;
}
