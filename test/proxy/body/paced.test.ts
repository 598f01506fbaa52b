import { describe, expect, test } from 'bun:test'
import { readBytes } from '../../../src/portal/form.ts'
import { paceBody } from '../../../src/proxy/body/paced.ts'

const COUNT = 1000

/** A body of pieces that are all here, and how many of them were asked for. */
function bodyOf(length: number) {
  const body = { asked: 0 }
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        if (body.asked++ < COUNT) controller.enqueue(new Uint8Array(length).fill(120))
        else controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { body, stream }
}

/** The most pieces that were asked for in one turn of the event loop, while this goes on. */
async function mostInATurn(body: { readonly asked: number }, work: Promise<unknown>): Promise<number> {
  let most = 0
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  for (let before = 0; !isOver; before = body.asked) {
    await new Promise(setImmediate)
    most = Math.max(most, body.asked - before)
  }
  await over
  return most
}

const FLOW = { given: () => undefined, taken: () => undefined, mayGive: () => null, leave: () => undefined }
const pace = (stream: ReadableStream<Uint8Array>) =>
  paceBody(stream, {
    flow: FLOW,
    count: null,
    limit: null,
    onLong: null,
    isCopied: false,
    onBreak: error => error,
    onEnd: () => undefined,
  }).stream

const WAYS: readonly (readonly [what: string, read: (stream: ReadableStream<Uint8Array>) => Promise<number>])[] = [
  ['a body on its way', async stream => (await new Response(pace(stream)).bytes()).length],
  [
    'a form of ours',
    async stream => {
      const request = new Request('http://app.example', { method: 'POST', body: stream })
      return (await readBytes(request, 10_000_000, 60_000))?.length ?? 0
    },
  ],
]

describe.each(WAYS)('%s', (_, read) => {
  test('is read one small piece a turn, so that what comes meanwhile is one piece', async () => {
    const { body, stream } = bodyOf(1)
    const reading = read(stream)
    expect(await mostInATurn(body, reading)).toBeLessThan(5)
    expect(await reading).toBe(COUNT)
  })

  test('is not held up where its pieces are long', async () => {
    const { body, stream } = bodyOf(4096)
    const reading = read(stream)
    expect(await mostInATurn(body, reading)).toBeGreaterThan(50)
    expect(await reading).toBe(COUNT * 4096)
  })
})
