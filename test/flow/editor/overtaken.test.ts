import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkInThread } from '../../../src/process/threads/ask-thread.ts'
import { FORM } from '../../kit/fields.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { editor } from './editing.ts'
import { change, fileWith, HOME } from './file.ts'

const PART = 'more.toml'
/** A file that is checked apart from the requests. */
const LONG = `${fileWith()}# ${'long '.repeat(20_000)}\n`

const ENDS: readonly (readonly [
  what: string,
  act: (gate: Gate, cookie: string) => Promise<unknown>,
  status: number,
])[] = [
  [
    'signed out',
    (gate, cookie) => fetchFrom(gate, '/.sallyport/logout', { ...FORM, host: HOME, cookie }, { method: 'POST' }),
    401,
  ],
  [
    'lost the admin role',
    async gate => {
      change(gate, 'groups = ["admins"]', 'groups = ["others"]')
      expect(await gate.server.reload()).toBe('changed')
    },
    403,
  ],
  [
    'lost the editor',
    async gate => {
      change(gate, 'edit = true', 'edit = false')
      expect(await gate.server.reload()).toBe('changed')
    },
    404,
  ],
]

test.each(ENDS)('nothing is saved for an admin who %s while the draft was checked', async (_, end, status) => {
  const begun = Promise.withResolvers<void>()
  const mayEnd = Promise.withResolvers<void>()
  await using gate = await startGate(LONG, {
    server: 'edit = true',
    files: { [PART]: '# nothing yet\n' },
    async checkApart(question, signal) {
      const result = await checkInThread(question, signal)
      if (!question.included.files.some(({ text }) => text?.includes('mine') === true)) return result
      begun.resolve()
      await mayEnd.promise
      return result
    },
  })
  const path = join(gate.folder, PART)
  change(gate, /^/, `include = ["${PART}"]\n`)
  expect(await gate.server.reload()).toBe('changed')
  const root = await editor(gate)
  const { form } = await root.open(path)
  const saving = root.send({ ...form, text: '# mine\n', act: 'save', sure: 'yes' })
  await begun.promise
  await end(gate, root.headers.cookie)
  mayEnd.resolve()
  expect([(await saving).status, readFileSync(path, 'utf8')]).toEqual([status, '# nothing yet\n'])
})
