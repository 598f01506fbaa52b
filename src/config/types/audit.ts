/** `[audit]`. */
export interface AuditConfig {
  /** How long rows of the audit trail are kept; 0: there are none. */
  readonly keepMs: number
}
