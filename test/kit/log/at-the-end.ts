/**
 * Preloaded by bunfig.toml. Searches the logs of the whole run for secrets after its last test, and fails where it finds one.
 *
 * Property tests use the same seed in every run, so that a run says something about the change and not about its luck. `PROPERTY_SEED=7`
 * tries other values.
 */
import { afterAll } from 'bun:test'
import { configureGlobal } from 'fast-check'
import { beginSearch, plantedSecrets } from './planted.ts'
import { takeRecorded } from './record.ts'
import { searchLines } from './search.ts'

const SHOWN = 20

configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) })

beginSearch()

afterAll(() => {
  const found = searchLines(takeRecorded(), plantedSecrets())
  if (found.length === 0) return
  const more = found.length > SHOWN ? `\n(and ${found.length - SHOWN} more)` : ''
  throw new Error(`${found.length} lines of logs hold what none may:\n${found.slice(0, SHOWN).join('\n')}${more}`)
}, 300_000)
