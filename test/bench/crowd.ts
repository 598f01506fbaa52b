/** A crowd who is signed in, stored in Redis by the million. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { sha256 } from '../../src/base/bytes.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { keysOf, type Script } from '../../src/session/redis/connection.ts'
import { onePartition } from '../../src/session/redis/partitions.ts'
import { sessionsOver } from '../../src/session/redis/sessions.ts'
import { userOf } from '../kit/sessions/many-sessions.ts'

/** So many are written at a time, and for so long at most. */
const WAVE = 200
const FILL_MS = 5 * 60_000
const SECRETS = 'x'.repeat(1400)

/** A cookie's value: 43 digits are as good as 43 others, and wrk can make them. */
function cookieOf(index: number): string {
  return String(index).padStart(43, '0')
}

export interface Crowd {
  readonly count: number
  readonly issuer: string
  /** Of their cookies. */
  readonly host: string
}

/**
 * Stores live sessions of a crowd by the commands of sign-ins, one after the other without a wait for their answers. Answers how many:
 * fewer where they take too long.
 */
export async function fillRedis(port: number, { count, issuer, host }: Crowd): Promise<number> {
  const pipe = await openPipe(port)
  const nowMs = Date.now()
  const partition = {
    prefix: keysOf('sallyport'),
    send: unused,
    look: unused,
    run: async (script: Script, args: readonly (string | number)[]) => pipe.add(script, [keysOf('sallyport'), ...args]),
  }
  const untilMs = (at: number) => Math.round(at - nowMs)
  const times = { ttlOf: (at: number) => untilMs(at) + 3_600_000, lastsOf: untilMs, untilOf: () => undefined }
  const signIns = sessionsOver(onePartition({ ...partition, close: () => undefined }), NOTHING_ENDED, times)
  let stored = 0
  for (; stored < count && Date.now() - nowMs < FILL_MS; stored++) {
    const { subject, claims } = userOf(stored)
    const id = sha256(`session ${stored}`)
    const session = {
      ...{ id, portal: 'home', issuer, subject, sid: `sid-${stored}`, secrets: SECRETS },
      identity: JSON.stringify(makeIdentity('bench', issuer, subject, claims)),
      ...{ agent: 'Firefox on Linux', client: '192.0.2.1', isRemembered: false, isRefreshable: false },
      ...{ createdAtMs: nowMs, expiresAtMs: nowMs + 12 * 3_600_000, lastSeenMs: nowMs, checkedAtMs: nowMs },
    }
    await signIns.insert(session, { hash: sha256(cookieOf(stored)), sessionId: id, host })
    if (stored % WAVE === WAVE - 1) await pipe.flush()
  }
  await pipe.close()
  return stored
}

const NOTHING_ENDED = { removed: () => undefined, hasEnded: () => false }

async function unused(): Promise<never> {
  throw new Error('a sign-in runs one script')
}

/** A connection by which scripts are run whose answers are nothing. */
async function openPipe(port: number) {
  let sent = 0
  let answered = 0
  let text = ''
  let failure: Error | null = null
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', error => {
    failure = error
  })
  socket.on('data', bytes => {
    for (const byte of bytes) if (byte === LINE_FEED) answered++
    if (bytes.includes('-ERR') || bytes.includes('-OOM')) failure = new Error(bytes.toString())
  })
  async function flush(): Promise<void> {
    if (failure !== null) throw failure
    const isTaken = socket.write(text)
    text = ''
    if (!isTaken) await once(socket, 'drain')
  }
  return {
    add({ text: body, sha1 }: Script, args: readonly (string | number)[]) {
      const words = sent++ === 0 ? ['EVAL', body] : ['EVALSHA', sha1]
      text += command([...words, '1', ...args])
    },
    flush,
    async close() {
      await flush()
      while (answered < sent) {
        if (failure !== null) throw failure
        await Bun.sleep(10)
      }
      socket.destroy()
    },
  }
}

const LINE_FEED = 10

/** As Redis reads it. */
function command(words: readonly (string | number)[]): string {
  const texts = words.map(String)
  return `*${texts.length}\r\n${texts.map(one => `$${Buffer.byteLength(one)}\r\n${one}\r\n`).join('')}`
}
