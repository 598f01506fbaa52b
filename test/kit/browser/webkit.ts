import { temporaryFolder } from '../folder.ts'
import { eventually } from '../gate.ts'
import { freePort } from '../programs/child.ts'
import type { Tab, TabOptions } from './tab.ts'

/**
 * A real WebKitGTK with a profile of its own, on a screen that nobody sees. Its driver speaks WebDriver by plain HTTP (W3C WebDriver,
 * §6), and starts the small browser that comes with the library.
 */
export async function openWebKit({ takesAnyCertificate = false }: TabOptions = {}): Promise<Tab> {
  await using stack = new AsyncDisposableStack()
  const home = stack.use(temporaryFolder())
  const start = (command: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const child = Bun.spawn([...command], {
      env: { PATH: process.env.PATH, HOME: home.path, ...env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'ignore',
    })
    stack.defer(async () => {
      child.kill('SIGTERM')
      await child.exited
    })
    return child
  }
  const display = await firstLine(start(['Xvfb', '-displayfd', '1', '-nolisten', 'tcp']).stdout)
  const port = await freePort()
  // Root has no sandbox to start the pages in.
  start(['WebKitWebDriver', `--port=${port}`], {
    DISPLAY: `:${display}`,
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
  })
  const driver = `http://127.0.0.1:${port}`
  await eventually(() => holds(fetch(`${driver}/status`)), 'the driver answers')

  const opened = await ask(driver, 'POST', '/session', {
    capabilities: { alwaysMatch: { acceptInsecureCerts: takesAnyCertificate } },
  })
  const session = `/session/${textOf(opened, 'sessionId')}`
  const send = (path: string, body: object = {}) => ask(driver, 'POST', session + path, body)
  stack.defer(async () => void (await ask(driver, 'DELETE', session)))
  const find = (selector: string) => send('/element', { using: 'css selector', value: selector })
  const open = stack.move()
  return {
    async open(address) {
      await send('/url', { url: address })
    },
    async press(selector) {
      const press = async () => {
        try {
          await send(`/element/${textOf(await find(selector), ELEMENT)}/click`)
          return true
        } catch (error) {
          if (error instanceof DriverError && NOT_PRESSED.has(error.code)) return false
          throw error
        }
      }
      await eventually(press, `${selector} in the page, and pressed`)
    },
    evaluate: expression => send('/execute/sync', { script: `return (${expression})`, args: [] }),
    async forget(cookie) {
      await ask(driver, 'DELETE', `${session}/cookie/${cookie}`)
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  }
}

/** By which an element is named (W3C WebDriver §12.1). */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'

/** Of an element that is not there yet, or no more, or not to be pressed yet (W3C WebDriver §6.6): nothing has happened. */
const NOT_PRESSED: ReadonlySet<string> = new Set([
  'no such element',
  'stale element reference',
  'element not interactable',
  'element click intercepted',
])

/** What the driver says is wrong; `code` is of W3C WebDriver §6.6. */
class DriverError extends Error {
  readonly code: string

  constructor(asked: string, value: unknown) {
    super(`${asked}: ${JSON.stringify(value)}`)
    this.code = textOf(value, 'error')
  }
}

/** One command's value (W3C WebDriver §6.1). Throws what the driver says is wrong. */
async function ask(driver: string, method: string, path: string, body?: object): Promise<unknown> {
  const reply = await fetch(driver + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const said: unknown = await reply.json()
  const value: unknown = typeof said === 'object' && said !== null ? Reflect.get(said, 'value') : undefined
  if (!reply.ok) throw new DriverError(`${method} ${path}`, value)
  return value
}

function holds(done: Promise<unknown>): Promise<boolean> {
  return done.then(
    () => true,
    () => false,
  )
}

function textOf(value: unknown, name: string): string {
  const text: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  if (typeof text !== 'string') throw new TypeError(`the driver names no ${name}`)
  return text
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk)
    if (text.includes('\n')) break
  }
  return text.trim()
}
