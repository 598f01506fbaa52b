import { tellEvent } from '../audit/record.ts'
import type { Audit } from '../audit/writer.ts'
import type { Log } from '../base/ports.ts'
import type { WorkerPart } from './serve-options.ts'

/** Records what happens to the file. */
export type FileAudit = Pick<Audit, 'note'>

/** For a process with the file but without a store: only the log line. */
export function audited(log: Log): FileAudit {
  return { note: (event, facts, besides) => tellEvent(log, event, facts, besides) }
}

/** Of several workers, which all take the file over, the first writes the rows; the supervisor has the lines. */
export function auditOfFile(audit: Audit, worker: WorkerPart | undefined): FileAudit {
  if (worker === undefined) return audit
  if (worker.index !== 1) return audited(worker.fileLog)
  return { note: (event, facts, besides) => audit.note(event, facts, { ...besides, isSilent: true }) }
}
