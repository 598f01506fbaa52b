/** `sallyport health`: asks whether a server is ready, for container engines. */

import { showUnseen } from '../base/control-characters.ts'
import { messageOf } from '../base/errors.ts'
import { type Answered, type Asking, UnreadError } from '../base/http-client.ts'
import { timeLimit } from '../base/time-limit.ts'
import { parseListen } from '../config/values/listen.ts'
import type { Io } from '../console/io.ts'
import { ask } from '../console/network.ts'
import { layOutUsage } from '../console/usage.ts'

const DEFAULT_ADDRESS = '127.0.0.1:9464'

const USAGE = `usage: sallyport health [ADDRESS] [--alive]

Asks the admin listener whether the server is ready: for containers whose image has no other program to ask with.
Exit code: 0 ready, 1 not ready or no answer, 2 wrong usage.

  --alive   only checks that it answers. Use this for restarts: a restart does not help when, say, the session store is down
  ADDRESS   what admin in [server] says: host:port or unix:/path; default: SALLYPORT_ADMIN, or ${DEFAULT_ADDRESS}`

/** Well below the three seconds that container engines commonly give a check. */
const TIMEOUT_MS = 2500

/** The most characters of the report. */
const MOST_WORDS = 300

/** `sallyport health`: GET /readyz on the admin listener. Answers the exit code; says why it is not 0. */
export async function runHealth(argv: readonly string[], io: Io): Promise<number> {
  const isAlive = argv.includes('--alive')
  const [given, ...more] = argv.filter(one => one !== '--alive')
  if (given === '--help' || given === '-h') {
    io.stdout(`${layOutUsage(USAGE)}\n`)
    return 0
  }
  const text = given ?? io.env('SALLYPORT_ADMIN') ?? DEFAULT_ADDRESS
  const parsed = parseListen(text)
  if (more.length > 0 || !parsed.ok) {
    io.stderr(`${parsed.ok ? '' : `${parsed.message}\nhint: ${parsed.hint}\n\n`}${layOutUsage(USAGE)}\n`)
    return 2
  }
  const why = await askReady(text, isAlive ? '/healthz' : '/readyz')
  if (why === null) return 0
  io.stderr(`${text} ${why}\n`)
  return 1
}

/** The platform's words are about a browser's address: these are about the server, and what to look at. */
function whyNoAnswer(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (/ConnectionRefused|ECONNREFUSED|FailedToOpenSocket|ENOENT/.test(code)) {
    return 'does not answer: nothing listens there; does Sallyport run, and is this what admin in [server] says?'
  }
  if (error instanceof Error && error.name === 'TimeoutError') return `does not answer within ${TIMEOUT_MS} ms`
  return `does not answer: ${messageOf(error)}`
}

/** Asks an admin listener whether the server is ready: null where it is, else what is the matter. Throws TypeError for what is no address. */
export async function askReady(text: string, path: '/readyz' | '/healthz' = '/readyz'): Promise<string | null> {
  const parsed = parseListen(text)
  if (!parsed.ok) throw new TypeError(`${text} is no address`)
  const address = parsed.value
  const host = address.kind === 'unix' ? 'localhost' : address.host.includes(':') ? `[${address.host}]` : address.host
  const url = `http://${host}:${address.kind === 'unix' ? 80 : address.port}${path}`
  const init: Asking = {
    signal: timeLimit(TIMEOUT_MS),
    // A name by which the listener is reached here need not be one that it knows.
    headers: { host: 'localhost' },
    ...(address.kind === 'unix' ? { unix: address.path } : {}),
  }
  try {
    const answer = await ask(url, init)
    if (answer.status === 200) return null
    const words = showUnseen(await wordsOf(answer))
    return `is not ready: it answered ${answer.status}${words === '' ? '' : ` (${words})`}`
  } catch (error) {
    return whyNoAnswer(error)
  }
}

/** What an answer says, in short; why it is not read where it should not be. */
async function wordsOf(answer: Answered): Promise<string> {
  try {
    return new TextDecoder()
      .decode(await answer.beginning(4 * MOST_WORDS))
      .trim()
      .slice(0, MOST_WORDS)
  } catch (error) {
    if (error instanceof UnreadError) return `what it says ${error.message}`
    throw error
  }
}
