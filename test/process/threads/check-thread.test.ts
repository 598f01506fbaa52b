import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConfig } from '../../../src/config/check.ts'
import { NOTHING_INCLUDED } from '../../../src/config/includes.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'
import { checkInThread } from '../../../src/process/threads/ask-thread.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL } from '../../kit/gate.ts'

const ROUTES = ['a', 'b']
  .map(
    host => `
[[routes]]
host = "${host}.example.com"
upstream = { to = ["http://127.0.0.1:9000", "http://127.0.0.1:9001"], health = { path = "/up" } }
portal = "home"
allow = ["user", { networks = ["10.0.0.0/8"], hours = ["08:00-18:00"] }]
request_headers = { set = { X-User = "{email}" } }`,
  )
  .join('\n')
const GOOD = `${PORTAL.replace('"gate-secret"', '"${file:secret}"')}${ROUTES}\n`

const CASES: readonly (readonly [what: string, text: string])[] = [
  ['a good file', GOOD],
  [
    'a file with mistakes',
    GOOD.replace('portal = "home"', 'portal = "hom"').replace('request_headers', 'request_header'),
  ],
  ['a file that is no TOML', GOOD.replace('"home"', '"home')],
  ['a file whose secret cannot be read', GOOD.replace('file:secret', 'file:nowhere')],
]

test.each(CASES)('of %s, a thread says what would be said here', async (_what, text) => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'secret'), 'of the file')
  const file = join(folder.path, 'routes.toml')
  const here = checkConfig(text, { file, readText, readBytes, env: name => process.env[name], now: Date.now })
  expect(await checkInThread({ text, file, included: NOTHING_INCLUDED })).toEqual(here)
})

test('what comes of a thread is frozen to the bottom, and parts that say the same are one', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'secret'), 'of the file')
  const checked = await checkInThread({
    text: GOOD,
    file: join(folder.path, 'routes.toml'),
    included: NOTHING_INCLUDED,
  })
  if (!checked.ok) throw new TypeError('the file is good')
  const [one, other] = checked.config.routes
  expect(one?.upstream?.addresses).toHaveLength(2)
  expect(one?.allow === other?.allow && one?.upstream === other?.upstream).toBe(true)
  const { portals } = checked.config
  expect(() => (portals as Map<string, unknown>).delete('home')).toThrow(TypeError)
  const open: unknown[] = []
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (!Object.isFrozen(value)) open.push(value)
    for (const entry of value instanceof Map ? value.values() : Object.values(value)) look(entry)
  }
  look(checked)
  expect(open).toEqual([])
})

test('what is given up is not waited for', async () => {
  const closing = new AbortController()
  const checking = checkInThread(
    { text: GOOD, file: '/nowhere/routes.toml', included: NOTHING_INCLUDED },
    closing.signal,
  )
  closing.abort(new Error('nobody waits'))
  expect(checking).rejects.toThrow('nobody waits')
  expect(
    checkInThread({ text: GOOD, file: '/nowhere/routes.toml', included: NOTHING_INCLUDED }, closing.signal),
  ).rejects.toThrow('nobody waits')
})
