import { describe, expect, test } from 'bun:test'
import { CODES, errorFacts, GateError, messageOf, toGateError } from '../../src/base/errors.ts'

test('a code has a status of HTTP for failures, and a sentence', () => {
  for (const [code, { status, say }] of Object.entries(CODES)) {
    expect([code, status >= 400 && status < 600, /^[A-Z].*\.$/s.test(say)]).toEqual([code, true, true])
  }
})

test('an error has the status and the words of its code, whatever its message says', () => {
  const error = new GateError('upstream.timeout', 'app: nothing for 60000 ms', { hint: 'raise it', retryAfterS: 5 })
  expect(error).toMatchObject({ ...CODES['upstream.timeout'], hint: 'raise it', retryAfterS: 5, facts: {} })
  expect(error.say).not.toContain('60000')
})

test('what is an error already stays itself; anything else is internal, with what it was as its cause', () => {
  const error = new GateError('route.none', 'nothing')
  expect(toGateError(error)).toBe(error)
  for (const thrown of [new RangeError('far'), 'text', null, undefined, 7]) {
    expect(toGateError(thrown)).toMatchObject({ code: 'internal', status: 500, say: CODES.internal.say })
  }
  const cause = new RangeError('far')
  expect(toGateError(cause).cause).toBe(cause)
})

describe('as facts for the log', () => {
  test('an error says its code, its message, its hint, its facts and what led to it', () => {
    const root = Object.assign(new Error('no route to host'), { code: 'EHOSTUNREACH' })
    const error = new GateError('upstream.refused', 'app: refused', {
      hint: 'start it',
      facts: { route: 'app' },
      cause: new TypeError('fetch failed', { cause: root }),
    })
    expect(errorFacts(error)).toEqual({
      route: 'app',
      code: 'upstream.refused',
      error: 'app: refused',
      hint: 'start it',
      cause: 'TypeError: fetch failed <- Error: no route to host (EHOSTUNREACH)',
    })
  })

  test('what Bun advises whoever wrote a program reaches nobody', async () => {
    using closed = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: socket => void socket.terminate() } })
    for (const address of [`http://127.0.0.1:${closed.port}/`, 'http://127.0.0.1:1/']) {
      const thrown = await fetch(address).catch((error: unknown) => error)
      if (!(thrown instanceof Error)) throw new Error('it answered')
      for (const facts of [errorFacts(thrown), errorFacts(new GateError('internal', 'x', { cause: thrown }))]) {
        expect(JSON.stringify(facts)).toMatch(/ECONN/)
        expect(JSON.stringify(facts)).not.toMatch(/verbose|the computer/)
      }
      expect(messageOf(thrown)).toMatch(/(?:closed unexpectedly|Unable to connect)$/)
    }
  })

  test('a fact cannot take the place of the code', () => {
    expect(errorFacts(new GateError('internal', 'x', { facts: { code: 'route.none', error: 'y' } }))).toMatchObject({
      code: 'internal',
      error: 'x',
    })
  })

  test('what leads back to itself comes to an end', () => {
    const loop: Error & { cause?: unknown } = new Error('round')
    loop.cause = loop
    expect(errorFacts(loop)).toEqual({ error: 'Error: round', cause: Array(5).fill('Error: round').join(' <- ') })
  })

  test.each([undefined, null, 'text', 7, {}])('%p can be thrown', thrown => {
    expect(errorFacts(thrown)).toMatchObject({ error: String(thrown) })
  })
})

describe('no query or login of an address is in what others say', () => {
  const words: [said: string, shown: string][] = [
    ['GET http://app.example/a?token=SECRET failed', 'GET http://app.example/a?… failed'],
    ['"https://app.example?token=SECRET"', '"https://app.example?…"'],
    ["'https://app.example/#token=SECRET'", "'https://app.example/#…'"],
    [
      '<wss://app.example/a?b=SECRET&c=SECRET> and redis://h/0?password=SECRET',
      '<wss://app.example/a?…> and redis://h/0?…',
    ],
    ['redis://u:SECRET@h/0 is away', 'redis://…@h/0 is away'],
    ['is it? yes', 'is it? yes'],
  ]
  test.each(words)('%j', (said, shown) => {
    expect(errorFacts(new Error(said)).error).toBe(`Error: ${shown}`)
    expect(errorFacts(said).error).toBe(shown)
    expect(errorFacts(new GateError('internal', 'x', { cause: new Error(said) })).cause).toBe(`Error: ${shown}`)
    expect(toGateError(new Error(said)).message).toBe(`Error: ${shown}`)
  })
})
