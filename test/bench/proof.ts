import type { FrontName, Subject, Way } from './subject.ts'

/** One answer, as its status and its bytes. */
export interface Answer {
  readonly status: number
  readonly bytes: Buffer
}

/** What the application itself answers at a path. */
export type Application = (front: FrontName, path: string) => Promise<Answer>

const PATHS: Readonly<Record<FrontName, readonly string[]>> = {
  app: ['/', '/10k'],
  secure: ['/', '/10k'],
  https: ['/', '/10k'],
  upload: ['/'],
  echo: ['/'],
}

/** A session may end with its first request: what answers that is no page of the application. */
const ASKED_TIMES = 2

/**
 * Compares what a subject answers with the application's own bytes, on every front that it offers: redirects, pages that ask to sign
 * in and errors are quick, and none of them is what was to be measured. And who has no session must not get these bytes from a gate.
 *
 * Throws with the first difference.
 */
export async function prove(subject: Subject, application: Application): Promise<void> {
  for (const front of Object.keys(PATHS) as FrontName[]) {
    if (!subject.offers(front)) continue
    for (const path of PATHS[front]) {
      for (let time = 0; time < ASKED_TIMES; time++) await proveAnswer(subject, front, path, application)
      if (subject.kind !== 'proxy') await proveRefusal(subject, front, path, application)
    }
  }
}

/** The same for one path, by the way that is measured. */
export async function proveAnswer(
  subject: Subject,
  front: FrontName,
  path: string,
  application: Application,
): Promise<void> {
  const { status, bytes } = await ask(subject.way(front), path)
  if (subject.kind === 'verdict') {
    if (!isGood(status)) throw new Error(`a verdict for whoever is signed in was ${status}`)
    return
  }
  const own = await application(front, path)
  if (status === own.status && bytes.equals(own.bytes)) return
  throw new Error(
    `GET ${path} at ${front} got ${status} and ${bytes.length} bytes, not the application's ${own.status} and ${own.bytes.length}: ${shown(bytes)}`,
  )
}

async function proveRefusal(subject: Subject, front: FrontName, path: string, application: Application): Promise<void> {
  const way = subject.way(front)
  const { cookie: _, ...headers } = way.headers
  const { status, bytes } = await ask({ ...way, headers }, path)
  const own = await application(front, path)
  const isTheSame = status === own.status && bytes.equals(own.bytes)
  const hasIt = isTheSame || (own.bytes.length >= TELLING_BYTES && bytes.includes(own.bytes))
  if (subject.kind === 'verdict' ? isGood(status) : hasIt)
    throw new Error(`GET ${path} at ${front} got the application's answer (${status}) without a session`)
}

/** Any page may have what is shorter than this. */
const TELLING_BYTES = 8

/** One GET on a connection of its own; whoever serves by TLS is not asked who vouches for it, as the load does not ask. */
export async function ask(way: Way, path: string): Promise<Answer> {
  const response = await fetch(`${way.scheme ?? 'http'}://127.0.0.1:${way.port}${way.path ?? path}`, {
    headers: { ...way.headers, 'accept-encoding': 'identity' },
    redirect: 'manual',
    decompress: false,
    keepalive: false,
    proxy: false,
    tls: { rejectUnauthorized: false },
  })
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) }
}

function isGood(status: number): boolean {
  return status >= 200 && status < 300
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1', 0, 60))
}
