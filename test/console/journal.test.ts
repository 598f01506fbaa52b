import { expect, test } from 'bun:test'
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { FROM_SOURCE, freePort } from '../kit/programs/child.ts'

const ROUTE = '[[routes]]\nhost = "app.example"\nrespond = { status = 200 }\nallow = "public"\n'

/** Serves a file with standard error in a file, of which JOURNAL_STREAM speaks, or of another; and answers what was written. */
async function serve(toml: string, isOwn: boolean, isDone: (text: string) => boolean): Promise<readonly string[]> {
  using folder = temporaryFolder()
  const path = join(folder.path, 'journal')
  const [journal, other] = [openSync(path, 'w'), openSync(join(folder.path, 'other'), 'w')]
  writeFileSync(join(folder.path, 'routes.toml'), toml)
  const { dev, ino } = fstatSync(isOwn ? journal : other, { bigint: true })
  const child = Bun.spawn([...FROM_SOURCE, 'serve'], {
    cwd: folder.path,
    env: { PATH: process.env.PATH ?? '', JOURNAL_STREAM: `${dev}:${ino}` },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: journal,
  })
  try {
    await eventually(() => child.exitCode !== null || isDone(readFileSync(path, 'utf8')), 'it is written')
    return readFileSync(path, 'utf8').split('\n').slice(0, -1)
  } finally {
    child.kill('SIGTERM')
    await child.exited
    for (const file of [journal, other]) closeSync(file)
  }
}

const listens = async (more = '') => `[server]\nlisten = "127.0.0.1:${await freePort()}"\n${more}${ROUTE}`
const isListening = (text: string) => text.includes('Sallyport is listening')

test('the journal is told how important a line is, by workers too; no other stream is, though it has the variable', async () => {
  const alone = await serve(await listens(), true, isListening)
  expect(alone.filter(line => !/^<[346]>\{"time"/.test(line))).toEqual([])
  expect(alone.some(line => line.startsWith('<6>') && isListening(line))).toBe(true)
  // The worker that answers cannot write to that file, and says so.
  const file = `${await listens('workers = 2\n')}[log]\nrequests = "/nowhere/access.log"\n`
  const port = /:(\d+)"/.exec(file)?.[1]
  const several = await serve(file, true, text => {
    if (isListening(text)) void fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
    return text.includes('"worker":')
  })
  expect(several.find(line => line.includes('"worker":'))).toStartWith('<3>{')
  expect(several.filter(line => !/^<[346]>\{"time"/.test(line))).toEqual([])
  expect((await serve(await listens(), false, isListening)).filter(line => line.startsWith('<'))).toEqual([])
}, 300_000)

test('a start that fails is an error in the journal, line by line', async () => {
  const mistaken = await serve('[server]\nlisten = 1\n', true, () => false)
  expect(mistaken.length).toBeGreaterThan(2)
  expect(mistaken.filter(line => line !== '' && !line.startsWith('<3>'))).toEqual([])
  const taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const second = await serve(`[server]\nlisten = "127.0.0.1:${taken.port}"\n${ROUTE}`, true, () => false)
  await taken.stop(true)
  expect(second.find(line => line.includes('cannot start'))).toStartWith('<3>Sallyport cannot start')
}, 300_000)
