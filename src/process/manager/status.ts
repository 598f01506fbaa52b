import { basename } from 'node:path'
import type { Manager } from './manager.ts'

/** What a service says of itself in a line, as `systemctl status` shows it. */
export interface Status {
  text(): string
  /** The file was read once more. */
  note(isGood: boolean): void
}

/** Whether the file on disk is the one that is served: the one thing that somebody who looks at a service has to mend. */
export function statusOf(manager: Manager, configPath: string): Status {
  const name = basename(configPath)
  let isGood = true
  const text = () => (isGood ? `Serving ${name}` : `${name} has mistakes since its last save; the one before is served`)
  return {
    text,
    note(isNowGood) {
      if (isNowGood === isGood) return
      isGood = isNowGood
      manager.status(text())
    },
  }
}
