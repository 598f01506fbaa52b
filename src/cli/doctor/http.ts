/** How the doctor asks an address, and what it recognises in the answer. */

import type { Answered } from '../../base/http-client.ts'
import type { Ports } from '../../base/ports.ts'
import { timeLimit } from '../../base/time-limit.ts'

const TIMEOUT_MS = 5_000

/** What came back from an address. */
export interface Heard {
  readonly status: number
  /** The code of our own problem details; null where something else answered. */
  readonly code: string | null
  /** Whether it is a key set, which is at one place on all hosts of a portal, for anyone. */
  readonly isKeySet: boolean
  /** What our own `/.sallyport/address` takes the client's address for: null where that is not known; undefined for any other answer. */
  readonly client: string | null | undefined
  /** Where a redirect leads; empty for none. */
  readonly location: string
  /** What the answer names as its server, in lower case; empty for none. */
  readonly server: string
}

/**
 * Asks an address as a program would, with these fields; null where nothing answers. `host` among them is whom it asks for.
 *
 * Whose certificate it shows is another question.
 */
export async function hear(
  address: string,
  { ask }: Pick<Ports, 'ask'>,
  fields: Readonly<Record<string, string>> = {},
): Promise<Heard | null> {
  const host = fields.host ?? new URL(address).host
  try {
    const signal = timeLimit(TIMEOUT_MS)
    const tls = { serverName: host.replace(/:\d+$/, ''), rejectUnauthorized: false }
    const answer = await ask(address, { headers: { ...fields, host }, signal, tls })
    const type = answer.headers.get('content-type') ?? ''
    const body = await objectIn(answer, type.includes('json'))
    return {
      status: answer.status,
      code: type.startsWith('application/problem+json') && typeof body.code === 'string' ? body.code : null,
      isKeySet: answer.status === 200 && 'keys' in body,
      client: answer.status === 200 ? clientIn(body) : undefined,
      location: answer.headers.get('location') ?? '',
      server: (answer.headers.get('server') ?? '').toLowerCase(),
    }
  } catch {
    return null
  }
}

function clientIn({ address }: Readonly<Record<string, unknown>>): string | null | undefined {
  return typeof address === 'string' || address === null ? address : undefined
}

/** How a client asks for HTTP/2 on a plain connection (RFC 7540 §3.2). HAProxy itself removes the first field. */
export const OTHER_PROTOCOLS = ['h2c', 'h2c/2'].map(upgrade => ({
  connection: 'Upgrade, HTTP2-Settings',
  upgrade,
  'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA',
}))

/** Whether the server at an address switches to another protocol than HTTP/1.1 when asked. */
export async function switchesProtocol(address: string, { ask }: Pick<Ports, 'ask'>): Promise<boolean> {
  const { host } = new URL(address)
  for (const fields of OTHER_PROTOCOLS) {
    try {
      const signal = timeLimit(TIMEOUT_MS)
      const answer = await ask(address, { headers: { ...fields, host }, signal, tls: { rejectUnauthorized: false } })
      await answer.drop()
      if (answer.status === 101) return true
    } catch (error) {
      // What Bun makes of a 101 that it did not ask for.
      if (error instanceof Error && 'code' in error && error.code === 'UnrequestedUpgrade') return true
    }
  }
  return false
}

/** The object of a JSON answer; none is an empty one. What is no JSON is not read: an application's page may never end. */
async function objectIn(answer: Answered, isJson: boolean): Promise<Record<string, unknown>> {
  if (!isJson) {
    await answer.drop()
    return {}
  }
  try {
    const raw: unknown = JSON.parse(await answer.text())
    return typeof raw === 'object' && raw !== null ? { ...raw } : {}
  } catch {
    return {}
  }
}

/** Whether Sallyport answers at an address, for a host of a portal (that of `fields`, or the address's own). */
export async function answersAsSallyport(
  address: string,
  ports: Pick<Ports, 'ask'>,
  fields: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  return (await hear(`${address}/.sallyport/jwks.json`, ports, fields))?.isKeySet === true
}
