import { expect, spyOn, test } from 'bun:test'
import { untilTheEnd } from '../../../kit/opened.ts'
import { askersOf, forwarded, send, startAsked } from '../../../kit/verify.ts'

const keep = untilTheEnd()
const gate = keep(await startAsked())
const { cookieOf } = askersOf(() => gate)

test('a verdict that lets pass makes no Request for what it is asked about, and looks into no answer', async () => {
  const cookie = await cookieOf(['users'])
  const made: unknown[] = []
  const RealRequest = globalThis.Request
  const clone = spyOn(Response.prototype, 'clone')
  globalThis.Request = class extends RealRequest {
    constructor(...input: ConstructorParameters<typeof Request>) {
      super(...input)
      made.push(input[0])
    }
  } as typeof Request
  try {
    const ask = (path: string) => send(gate.verifyPort, '/.sallyport/verify', [...forwarded(path), cookie])
    const answer = await ask('/')
    expect([answer.status, made, clone.mock.calls.length]).toEqual([204, [], 0])
    expect(answer.field('x-token-subject')).not.toBeNull()
    // A refusal is for somebody, and looks at who asked.
    expect((await ask('/admin')).status).toBe(403)
    expect(made).toEqual(['http://host/admin'])
  } finally {
    globalThis.Request = RealRequest
    clone.mockRestore()
  }
})

test('the log names what a question says of who may pass, however long it is, by its first hundred characters', async () => {
  await using asked = await startAsked('127.0.0.1', 'log_level = "debug"')
  const name = `allowed_${'x'.repeat(500)}`
  const answer = await send(asked.verifyPort, `/.sallyport/verify?${name}=staff`, forwarded('/open'))
  expect([answer.status, asked.told(`says ${name.slice(0, 100)}, which no verdict heeds`).length]).toEqual([400, 1])
})

test('the log names the field that an application may take for another', async () => {
  await using asked = await startAsked('127.0.0.1', 'log_level = "debug"')
  for (const name of ['x_token_subject', 'x-forwarded-user', 'content_length', 'script_name']) {
    const answer = await send(asked.verifyPort, '/.sallyport/verify', forwarded('/open', [`${name}: root`]))
    expect([answer.status, asked.told(`may read the field ${name} as`).length]).toEqual([400, 1])
  }
})
