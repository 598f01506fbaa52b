import type { TxtRecord } from './message.ts'

/** What puts records into DNS, and takes them away again: one of several with the same name. */
export interface RecordWriter {
  /** Throws `acme.dns` with why it cannot. */
  present(record: TxtRecord): Promise<void>
  cleanup(record: TxtRecord): Promise<void>
}
