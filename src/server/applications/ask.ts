/** Sends a request to an application like a browser or a program, and keeps the text of the answer. */

import { type Answered, type Asking, answeredBy } from '../../base/http-client.ts'
import type { Ports } from '../../base/ports.ts'
import { timeLimit } from '../../base/time-limit.ts'
import { mayRefuse, type Origin } from '../../proxy/upstream/origin.ts'
import { dialUpstream } from '../../proxy/websocket/dial.ts'
import { FrameEncoder } from '../../proxy/websocket/encoder.ts'

/** How long an application may take, for each question. */
const WAIT_MS = 4_000

/** What of an answer is read. */
const MOST_READ = 16_384

/** How an application is asked. */
export interface Question {
  readonly origin: Origin
  /** Path and query as the application has them, its address's own path among them. */
  readonly path: string
  /** Host among them; in lower case. */
  readonly fields: Readonly<Record<string, string>>
  /** GET where it is left out. */
  readonly method?: string
}

/** What came back. */
export interface Told {
  /** 101 for a WebSocket that came about. */
  readonly status: number
  /** One line that is safe to show; empty where it says nothing, or was not looked at. */
  readonly words: string
  /** Where a redirect leads; empty for none. */
  readonly location: string
  /** Cookies that it sets, as a browser sends them back; empty for none. */
  readonly cookie: string
}

type AskPorts = Pick<Ports, 'ask' | 'random'>

/** Requests a page without an identity; null without an answer. It follows no redirect. */
export async function askPage({ origin, path, fields, method }: Question, { ask }: AskPorts): Promise<Told | null> {
  const init: Asking = {
    ...(method === undefined ? {} : { method }),
    headers: fields,
    signal: timeLimit(WAIT_MS),
    ...(origin.unix === undefined ? {} : { unix: origin.unix }),
    ...(origin.tls === undefined ? {} : { tls: origin.tls }),
    ...(origin.protocol === undefined ? {} : { protocol: origin.protocol }),
  }
  try {
    return await told(await ask(new URL(origin.base).origin + path, init), fields)
  } catch {
    return null
  }
}

/** Asks for a WebSocket, which is closed at once; null where no answer comes. */
export async function askSocket({ origin, path, fields }: Question, { random }: AskPorts): Promise<Told | null> {
  const { address, tls } = origin
  try {
    const dialled = await dialUpstream({
      address: address.kind === 'unix' ? address : { ...address, basePath: '' },
      tls,
      isDoubtful: true,
      path,
      headers: fields,
      protocols: [],
      offersDeflate: false,
      timeoutMs: WAIT_MS,
      random,
      encoder: new FrameEncoder(random),
    })
    if (dialled.kind === 'refused') return await told(answeredBy(dialled.response), fields)
    dialled.socket.destroy()
    return { status: 101, words: '', location: '', cookie: '' }
  } catch {
    return null
  }
}

/** Whether an application answers a call of gRPC as one; false where no answer comes, or none by HTTP/2, without which there is none. */
export async function askCall({ base, tls, protocol }: Origin, { ask }: AskPorts): Promise<boolean> {
  if (protocol === undefined) return false
  const init: Asking = {
    method: 'POST',
    headers: { 'content-type': 'application/grpc', te: 'trailers', 'user-agent': 'sallyport-doctor' },
    // One message, which is empty.
    body: new Uint8Array(5),
    signal: timeLimit(WAIT_MS),
    ...(tls === undefined ? {} : { tls }),
    protocol,
  }
  try {
    const { headers, drop } = await ask(`${new URL(base).origin}/grpc.health.v1.Health/Check`, init)
    await drop()
    return headers.get('content-type')?.startsWith('application/grpc') === true
  } catch {
    return false
  }
}

/** What was answered; not its words, where credentials were sent with these fields: they might be among them. */
async function told(answer: Answered, fields: Question['fields']): Promise<Told> {
  const { status, headers } = answer
  const location = headers.get('location') ?? ''
  const type = headers.get('content-type') ?? 'text/plain'
  const isText = /^text\/|\bjson\b/i.test(type) && !headers.has('content-encoding')
  const cookie = headers
    .getSetCookie()
    .map(one => one.split(';', 1)[0] ?? '')
    .join('; ')
  const one = { status, words: '', location, cookie }
  if (!isText || !mayRefuse(status) || fields.authorization !== undefined) {
    await answer.drop()
    return one
  }
  const text = new TextDecoder().decode(await answer.beginning(MOST_READ))
  return { ...one, words: wordsOf(text, /\bhtml\b/i.test(type) || /^\s*</.test(text)) }
}

/** Long enough for a sentence that says why. */
const LONGEST = 160

/** Elements with invisible text. */
const UNSEEN = /^(?:head|noscript|script|style|template)(?=[\s/>]|$)/i

/**
 * The text of an answer for people, as one line that is safe to show: the text of HTML, or other text unchanged;
 * without control and format characters, and at most a sentence or two. Empty where nothing is left.
 *
 * One pass for any input.
 */
export function wordsOf(text: string, isHtml: boolean): string {
  const seen = isHtml ? textOf(text) : text
  const line = seen.replace(/[\p{Z}\p{C}]+/gu, ' ').trim()
  return line.length <= LONGEST ? line : `${[...line.slice(0, LONGEST)].slice(0, -1).join('').trimEnd()}…`
}

function textOf(html: string): string {
  const [lead = '', ...pieces] = html.split('<')
  const seen = [lead]
  let unseen: string | null = null
  for (const piece of pieces) {
    const opened: string | undefined = unseen === null ? UNSEEN.exec(piece)?.[0].toLowerCase() : undefined
    if (opened !== undefined) unseen = opened
    else if (unseen !== null && piece.slice(0, unseen.length + 1).toLowerCase() === `/${unseen}`) unseen = null
    if (unseen !== null) continue
    const end = piece.indexOf('>')
    // A tag stands between words; what has no end is no tag.
    seen.push(' ', end === -1 ? '' : piece.slice(end + 1))
  }
  return seen.join('').replace(/&(?:#(\d{1,6})|([a-z]{2,6}));/gi, (whole, code?: string, name?: string) => {
    if (code !== undefined) return Number(code) <= 0x10ffff ? String.fromCodePoint(Number(code)) : ' '
    return ENTITIES[name?.toLowerCase() ?? ''] ?? whole
  })
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  mdash: '—',
  ndash: '–',
}
