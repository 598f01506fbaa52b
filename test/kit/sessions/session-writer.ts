import { writeSync } from 'node:fs'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { quietPorts } from '../clock.ts'
import { storedSession } from './stored.ts'

// A process to be killed: signs in without end, signs every third out again, and says what was acknowledged.
const [path = '', round = ''] = process.argv.slice(2)
const store = openSqliteStore(path, quietPorts({ now: Date.now }))
for (let index = 0; ; index++) {
  const id = `${round}-${index}`
  await store.insert(storedSession(id, { expiresAtMs: 9e15 }), { hash: id, sessionId: id, host: 'x' })
  writeSync(1, `in ${id}\n`)
  if (index % 3 === 0) {
    await store.remove(id)
    writeSync(1, `out ${id}\n`)
  }
}
