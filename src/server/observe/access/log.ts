import type { LogOutput, LogStyle } from '../../../base/log.ts'
import { tickWhileBusy } from '../../../base/while-busy.ts'
import { combinedLine, combinedTime } from './combined.ts'
import { jsonLine } from './json.ts'
import type { AccessRecord } from './record.ts'
import { lineForPeople, textLine } from './text.ts'

/** How requests are written: as everything else, or as other servers write them. */
export type AccessStyle = LogStyle | 'combined'

/** Pairs with `close`, which writes what is left. */
export interface AccessLog {
  write(record: AccessRecord): void
  close(): void
}

const FLUSH_MS = 100
const FLUSH_CHARACTERS = 64 * 1024

/** An access log that writes lines in batches: one system call for many requests. Nothing wakes the process while none come. */
export function openAccessLog(output: LogOutput<AccessStyle>): AccessLog {
  let pending = ''
  let isClosed = false
  const timeText = rememberLast(atMs => new Date(atMs).toISOString())
  const combinedText = rememberLast(combinedTime)

  function flush(): void {
    const lines = pending
    pending = ''
    if (lines !== '') output.write(lines)
  }

  const ticker = tickWhileBusy(FLUSH_MS, () => {
    if (pending === '') return false
    flush()
    return true
  })

  function lineOf(record: AccessRecord): string {
    switch (output.style) {
      case 'json':
        return jsonLine(record, timeText(record.atMs))
      case 'combined':
        return combinedLine(record, combinedText(record.atMs))
      case 'text':
        return textLine(record, timeText(record.atMs))
      case 'plain':
        return lineForPeople(record, false)
      case 'pretty':
        return lineForPeople(record, true)
    }
  }

  return {
    write(record) {
      pending += lineOf(record)
      ticker.wake()
      // An answer that is broken off at the very end is told of all the same.
      if (isClosed || pending.length > FLUSH_CHARACTERS) flush()
    },
    close() {
      isClosed = true
      ticker.close()
      flush()
    },
  }
}

/** Under load many requests share a millisecond: its text is kept. */
function rememberLast(make: (atMs: number) => string): (atMs: number) => string {
  let lastMs = -1
  let lastText = ''
  return atMs => {
    if (atMs !== lastMs) {
      lastMs = atMs
      lastText = make(atMs)
    }
    return lastText
  }
}
