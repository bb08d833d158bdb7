/** What can go wrong, for operators: every error of ours has one of these codes. They are stable. */
export type ErrorCode =
  | 'config_invalid'
  | 'config_unreadable'
  | 'endpoint_invalid'
  | 'spiffe_id_invalid'
  | 'certificate_invalid'
  | 'svid_invalid'
  | 'bundle_invalid'
  | 'response_invalid'
  | 'listen_failed'
  | 'sds_failed'
  | 'admin_failed'
  | 'usage';

/** An error that says what was being done, to what, and what to change. Its message never holds a key or a token. */
export class SpiffeSdsError extends Error {
  override readonly name = 'SpiffeSdsError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
