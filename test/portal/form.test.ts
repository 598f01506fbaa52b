import { expect, test } from 'bun:test'
import { GateError } from '../../src/base/errors.ts'
import { parseName, readBytes } from '../../src/portal/form.ts'

/** A body of this piece that then waits, and whose sender cannot be stopped without a mistake of its own. */
function stubborn(piece: string): Request {
  const body = new ReadableStream<Uint8Array>({
    start: controller => controller.enqueue(Buffer.from(piece)),
    cancel: () => Promise.reject(new Error('no stopping it')),
  })
  return new Request('http://gate.test/', { method: 'POST', body })
}

/** What a cut says. */
const CUT = new GateError('limit.open', 'its client has too much under way')

test.each<[string, object | null, () => Promise<unknown>]>([
  ['too slow', { code: 'target.stalled' }, () => readBytes(stubborn('abc'), 10, 20)],
  ['too long', null, () => readBytes(stubborn('abc'), 2, 10_000)],
  [
    'cut',
    CUT,
    () =>
      readBytes(stubborn('abc'), 10, 10_000, {
        enter(_length, cut) {
          const timer = setTimeout(cut, 10, CUT)
          return { given: () => undefined, leave: () => clearTimeout(timer) }
        },
      }),
  ],
  [
    'cut before it is read',
    CUT,
    () =>
      readBytes(stubborn('abc'), 10, 10_000, {
        enter(_length, cut) {
          cut(CUT)
          return { given: () => undefined, leave: () => undefined }
        },
      }),
  ],
])('a form that is %s is refused as that, though its body cannot be cancelled', async (_, refusal, read) => {
  const strays: unknown[] = []
  const note = (error: unknown) => strays.push(error)
  process.on('unhandledRejection', note)
  try {
    const came = await read().catch((error: unknown) => error)
    if (refusal === null) expect(came).toBeNull()
    else expect(came).toMatchObject(refusal)
    // A rejection that nobody takes is told once the event loop has turned.
    for (let turns = 0; turns < 3; turns++) await new Promise(resolve => setImmediate(resolve))
    expect(strays).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
  }
})

test('a name keeps its letters and emoji, and nothing that drives a terminal or turns what follows', () => {
  const form = (name: string) => new URLSearchParams({ name })
  expect(parseName(form(' \u{1F469}\u200D\u{1F4BB} Zoë\u2019s\tphone '))).toBe(
    '\u{1F469}\u200D\u{1F4BB} Zoë\u2019sphone',
  )
  expect(parseName(form('key\u202Egnp.exe\u2066\u200F\u001B[2J'))).toBe('keygnp.exe[2J')
  expect(parseName(form('\u202E\u2069'))).toBeNull()
})

test('a form that has come while this process was held up itself is in time', async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const reading = readBytes(new Request('http://gate.test/', { method: 'POST', body: readable }), 10, 100)
  Bun.sleepSync(150)
  // What came meanwhile.
  setTimeout(async () => {
    const writer = writable.getWriter()
    await writer.write(Buffer.from('abc'))
    await writer.close()
  }, 1)
  expect(String(await reading)).toBe('abc')
})
