/** How many there are now. */
export interface SidecarCounts {
  readonly connections: number;
  readonly streams: number;
  /** Names, counted once for each stream that asks for them. */
  readonly subscriptions: number;
  /** Those among them that have no secret to send. */
  readonly held: number;
}
