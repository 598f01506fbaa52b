import { searchAudit } from '../../src/audit/search.ts'
import { openSessionState } from '../../src/process/session-state.ts'
import { quietPorts } from './clock.ts'
import type { Gate } from './gate.ts'

/** A row of a gate's trail. */
export type Told = Readonly<Record<string, unknown>> & { readonly event: string }

/** What a gate's trail says, in the order in which it was written, read as another process reads it. */
export async function trailOf(gate: Gate, event: string | null = null): Promise<readonly Told[]> {
  const { store, sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const found: Told[] = []
  const search = { who: null, event, sinceMs: null, portal: null }
  for await (const { event: name, facts } of searchAudit(store, search)) found.unshift({ event: name, ...facts })
  await sessions.close()
  return found
}
