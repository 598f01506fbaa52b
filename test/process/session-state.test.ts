import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorFacts } from '../../src/base/errors.ts'
import { loadConfig } from '../../src/config/load.ts'
import { openSessionState } from '../../src/process/session-state.ts'
import { fakeClock, quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { PORTAL } from '../kit/gate.ts'
import { runIn } from '../kit/io.ts'

const ports = { ...quietPorts(fakeClock()), random: (count: number) => crypto.getRandomValues(new Uint8Array(count)) }

/** Opens and closes the sessions of a folder's file; what was refused, with its hint, else nothing. */
async function opening(folder: string): Promise<string> {
  let words = ''
  await runIn(folder, async io => {
    const loaded = loadConfig(join(folder, 'routes.toml'), { ...io, now: ports.now })
    if (!loaded.ok) throw new TypeError('the file has mistakes')
    try {
      await openSessionState(loaded.config, ports).sessions.close()
    } catch (error) {
      const { error: what, hint } = errorFacts(error)
      words = `${what}; ${hint}`
    }
    return 0
  })
  return words
}

function writeConfig(folder: string, sessions = ''): void {
  const route = '[[routes]]\nhost = "app.test"\nupstream = "http://127.0.0.1:9"\nportal = "home"\nallow = ["user"]\n'
  writeFileSync(join(folder, 'routes.toml'), `[sessions]\nstore = "sqlite:s.db"\n${sessions}${PORTAL}${route}`)
}

/** All that the tables of a database have; its header changes whenever it is opened. */
function contentOf(path: string): string {
  const database = new Database(path, { readonly: true })
  const tables = database.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  const content = tables.map(({ name }) => [name, database.query(`SELECT * FROM ${name}`).all()])
  database.close()
  return JSON.stringify(content)
}

test('a key that is not the one of the database is told at the start, and nothing is changed', async () => {
  using folder = temporaryFolder()
  writeConfig(folder.path)
  expect(await opening(folder.path)).toBe('')
  const key = readFileSync(join(folder.path, 'sallyport.key'), 'utf8')
  const database = contentOf(join(folder.path, 's.db'))
  writeFileSync(join(folder.path, 'sallyport.key'), `${Buffer.alloc(32, 7).toString('base64url')}\n`)
  const words = await opening(folder.path)
  expect(words).toContain('sallyport.key is not the one that')
  expect(words).toContain('restore that key')
  writeConfig(folder.path, `key = "${Buffer.alloc(32, 8).toString('base64')}"\n`)
  expect(await opening(folder.path)).toContain('the key of [sessions] is not the one that')
  expect(contentOf(join(folder.path, 's.db'))).toBe(database)
  writeConfig(folder.path)
  writeFileSync(join(folder.path, 'sallyport.key'), key)
  expect(await opening(folder.path)).toBe('')
})

test('a key file that is missing beside a database that was sealed with it is told, and none is made', async () => {
  using folder = temporaryFolder()
  writeConfig(folder.path)
  expect(await opening(folder.path)).toBe('')
  rmSync(join(folder.path, 'sallyport.key'))
  expect(await opening(folder.path)).toContain('is missing')
  expect(readdirSync(folder.path)).not.toContain('sallyport.key')
})
