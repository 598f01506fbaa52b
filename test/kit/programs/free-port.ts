import { createServer } from 'node:net'

/**
 * A port that was free a moment ago, and that no test is given again, in any process of this machine. None of those that the system
 * hands out by itself: in the moment until it is taken, another program would be given it.
 */
export async function freePort(): Promise<number> {
  const port = LOWEST_PORT + Math.floor(Math.random() * (EPHEMERAL_PORTS - LOWEST_PORT))
  return reserve(port) && (await isFree(port)) ? port : freePort()
}

/** Above what services have by custom; Linux hands out ports from the second on. */
const LOWEST_PORT = 12_000
const EPHEMERAL_PORTS = 32_768

/**
 * False where another has it. What is held until this process ends is a socket without a file, which Linux alone has: elsewhere two
 * may be given the same port.
 */
function reserve(port: number): boolean {
  try {
    Bun.listen({ unix: `\0sallyport-test-${port}`, socket: { data() {} } }).unref()
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  const isListening = await promise
  if (isListening) await new Promise(done => server.close(done))
  return isListening
}
