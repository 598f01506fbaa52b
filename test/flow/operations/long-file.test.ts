import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CheckApart, checkInThread } from '../../../src/process/threads/ask-thread.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort, PROGRAMS, startChild } from '../../kit/programs/child.ts'

let upstream: Bun.Server<undefined>

beforeAll(() => {
  upstream = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('here') })
})

afterAll(() => upstream.stop(true))

/** A thousand routes, and one by the name that is given. */
function long(name: string): string {
  const route = (host: string) =>
    `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:${upstream.port}"\nallow = "public"\n`
  const others = Array.from({ length: 1000 }, (_, index) => route(`steady${index}.example`))
  return PORTAL + others.join('') + route(name)
}

async function status(port: number, host: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/`, { headers: { host } })).status
}

/** What is reloaded without the file watch, which would do it as well. */
function reload(gate: Gate): Promise<string> {
  const outcome = gate.server.reload()
  if (!(outcome instanceof Promise)) throw new TypeError(`it kept everything waiting until it was ${outcome}`)
  return outcome
}

describe('a long file', () => {
  test('keeps no request waiting: those that come while it is checked are answered by the old one before that is over', async () => {
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
    const checkApart: CheckApart = async (question, signal) => {
      const result = await checkInThread(question, signal)
      await mayEnd
      return result
    }
    await using gate = await startGate(long('old.example'), { checkApart })
    gate.save(long('new.example'))
    let isOver = false
    const outcome = reload(gate).finally(() => {
      isOver = true
    })
    for (let count = 0; count < 5; count++) {
      expect(await status(gate.port, 'old.example')).toBe(200)
      expect(isOver).toBe(false)
    }
    end()
    expect(await outcome).toBe('changed')
    expect(await status(gate.port, 'new.example')).toBe(200)
    expect(await status(gate.port, 'old.example')).toBe(404)
  })

  test('with a mistake leaves the old one in force, and the mistake is told as of any other', async () => {
    await using gate = await startGate(long('old.example'), { checkApart: checkInThread })
    const text = long('new.example').replace('host = "steady7.example"\nupstream', 'host = "steady7.example"\nupstrem')
    gate.save(text)
    expect(await reload(gate)).toBe('refused')
    expect(await status(gate.port, 'old.example')).toBe(200)
    const line = readFileSync(gate.configPath, 'utf8')
      .split('\n')
      .findIndex(one => one.includes('upstrem'))
    const told = gate.log.find(entry => entry.includes('The changed file has errors')) ?? ''
    expect(told).toContain(`${gate.configPath}:${line + 1}:1`)
    expect(told).toContain('did you mean \\"upstream\\"?')
  })

  test('that is replaced while it is checked gives way to the last save, and those between are not checked', async () => {
    const checked: string[] = []
    const checkApart: CheckApart = (question, signal) => {
      checked.push(/save\d+/.exec(question.text)?.[0] ?? '')
      return checkInThread(question, signal)
    }
    await using gate = await startGate(long('save0.example'), { checkApart })
    const outcomes: Promise<string>[] = []
    for (let save = 1; save <= 5; save++) {
      gate.save(long(`save${save}.example`))
      outcomes.push(reload(gate))
    }
    expect(await Promise.all(outcomes)).toEqual(['changed', 'changed', 'changed', 'changed', 'changed'])
    expect(checked).toEqual(['save1', 'save5'])
    for (let save = 0; save <= 5; save++) {
      expect(await status(gate.port, `save${save}.example`)).toBe(save === 5 ? 200 : 404)
    }
  })

  test('gives way to a short one, too', async () => {
    await using gate = await startGate(long('old.example'), { checkApart: checkInThread })
    gate.save(long('new.example'))
    const first = reload(gate)
    gate.save('[[routes]]\nhost = "short.example"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n')
    expect(await reload(gate)).toBe('changed')
    expect(await first).toBe('changed')
    expect(await status(gate.port, 'steady1.example')).toBe(404)
    expect(await status(gate.port, 'short.example')).toBe(502)
  })

  test('is checked here where no thread can be had', async () => {
    const checkApart = () => Promise.reject(new Error('there are too many threads'))
    await using gate = await startGate(long('old.example'), { checkApart })
    gate.save(long('new.example'))
    expect(await reload(gate)).toBe('changed')
    expect(await status(gate.port, 'new.example')).toBe(200)
    expect(gate.log.join('')).toContain('there are too many threads')
  })

  test('that is being checked when the server stops is given up', async () => {
    const signals: AbortSignal[] = []
    const checkApart: CheckApart = (question, signal) => {
      if (signal !== undefined) signals.push(signal)
      return checkInThread(question, signal)
    }
    await using gate = await startGate(long('old.example'), { checkApart })
    gate.save(long('new.example'))
    const outcome = reload(gate)
    await gate.server.stop()
    expect(await outcome).toBe('same')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    expect(gate.log.filter(line => line.includes('in force') || line.includes('"error"'))).toEqual([])
  })
})

test('a short file is checked at once, without a thread', async () => {
  const checkApart = () => Promise.reject(new TypeError('nobody asks for this'))
  const short = (host: string) => `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n`
  await using gate = await startGate(short('old.example'), { checkApart })
  gate.save(short('new.example'))
  expect(gate.server.reload()).toBe('changed')
})

/** What the threads of a process are called. */
function threadsOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(id => {
    try {
      return readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim()
    } catch {
      return []
    }
  })
}

const WITH_WORKERS = PROGRAMS.flatMap(([name, command]) => [1, 2].map(workers => [name, workers, command] as const))

needs('/proc').test.each(WITH_WORKERS)(
  '%s with workers = %d has each save of a long file checked by a thread that ends',
  async (_name, workers, command) => {
    using folder = temporaryFolder()
    const port = await freePort()
    const rest = (name: string) => `workers = ${workers}\n\n[sessions]\nstore = "sqlite:sallyport.db"\n${long(name)}`
    const options = { command: await command(), folder: folder.path, port, toml: rest('v0.example') }
    await using child = await startChild(options)
    for (const save of ['v1.example', 'v2.example']) {
      const file = join(folder.path, 'routes.toml')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/v\d\.example/, save))
      await eventually(() => threadsOf(child.process.pid).includes('Worker'), 'a thread checks it')
      await eventually(async () => (await status(port, save)) === 200, 'it is in force')
      await eventually(() => !threadsOf(child.process.pid).includes('Worker'), 'the thread has ended')
    }
  },
  300_000,
)
