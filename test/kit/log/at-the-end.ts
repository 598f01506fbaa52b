/** Preloaded by bunfig.toml: the whole run's logs are searched for secrets once its last test is over, and it fails where one is found. */
import { afterAll } from 'bun:test'
import { beginSearch, plantedSecrets } from './planted.ts'
import { takeRecorded } from './record.ts'
import { searchLines } from './search.ts'

const SHOWN = 20

beginSearch()

afterAll(() => {
  const found = searchLines(takeRecorded(), plantedSecrets())
  if (found.length === 0) return
  const more = found.length > SHOWN ? `\n(and ${found.length - SHOWN} more)` : ''
  throw new Error(`${found.length} lines of logs hold what none may:\n${found.slice(0, SHOWN).join('\n')}${more}`)
}, 120_000)
