/** What is kept of an authority: its account, certificates and troubles, shared by all processes. */

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { randomToken, sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { AcmeConfig } from '../../config/resolve/tls.ts'
import type { ServerCertificate } from '../../config/values/certificate.ts'
import { readCertificateFacts } from '../../config/values/pem.ts'
import type { Sealer } from '../../session/seal.ts'
import type { SessionStore } from '../../session/store.ts'
import { thumbprintOf } from './authority/client.ts'
import { makeCertificateKey } from './authority/csr.ts'
import type { RenewalWindow } from './authority/renewal-info.ts'

/** A certificate that an authority gave, for one name. */
export interface HeldCertificate extends ServerCertificate {
  readonly name: string
  readonly validFromMs: number
}

/** A name for which nothing is asked now: when to ask again. `failures` is 0 after a renewal. */
interface Trouble {
  readonly failures: number
  readonly againAtMs: number
}

/** What an authority said of when a certificate is to be renewed. */
export interface Renewal {
  /** Its identifier of that certificate. */
  readonly id: string
  /** Null: it said nothing. */
  readonly window: RenewalWindow | null
  readonly askAtMs: number
}

/** What all processes of a gate know together of one authority. */
export interface AcmeState {
  readonly accountKey: KeyObject
  readonly certificates: ReadonlyMap<string, HeldCertificate>
  readonly troubles: ReadonlyMap<string, Trouble>
  /** By the name of the certificate. */
  readonly renewals: ReadonlyMap<string, Renewal>
}

/** A state with an account that the authority does not know yet. */
export function newState(): AcmeState {
  return { accountKey: makeCertificateKey(), certificates: new Map(), troubles: new Map(), renewals: new Map() }
}

/** A value that can be kept; it holds private keys, so sealed. */
export function packState({ accountKey, certificates, troubles, renewals }: AcmeState): object {
  return {
    account: accountKey.export({ format: 'jwk' }),
    certificates: [...certificates.values()].map(({ name, cert, key }) => ({ name, cert, key })),
    troubles: [...troubles].map(([name, trouble]) => ({ name, ...trouble })),
    renewals: [...renewals].map(([name, renewal]) => ({ name, ...renewal })),
  }
}

type Kept = 'account' | 'certificates' | 'troubles' | 'renewals'

/** The stored state; null for a value in another form. */
export function parseState(raw: unknown): AcmeState | null {
  if (typeof raw !== 'object' || raw === null) return null
  const { account, certificates, troubles, renewals } = raw as Partial<Record<Kept, unknown>>
  if (typeof account !== 'object' || account === null || !Array.isArray(certificates) || !Array.isArray(troubles)) {
    return null
  }
  try {
    return {
      accountKey: createPrivateKey({ key: { ...account }, format: 'jwk' }),
      certificates: new Map(
        certificates.map(({ name, cert, key }: Record<string, unknown>) => [
          String(name),
          holdCertificate(String(name), { cert: String(cert), key: String(key) }),
        ]),
      ),
      troubles: new Map(
        troubles.map(({ name, failures, againAtMs }: Record<string, unknown>) => [
          String(name),
          { failures: Number(failures), againAtMs: Number(againAtMs) },
        ]),
      ),
      // Version 0.1 kept none.
      renewals: new Map((Array.isArray(renewals) ? renewals : []).map(parseRenewal)),
    }
  } catch {
    return null
  }
}

/** A certificate with its facts. Throws TypeError for a text that holds none. */
export function holdCertificate(
  name: string,
  { cert, key }: { readonly cert: string; readonly key: string },
): HeldCertificate {
  const { names, validFromMs, expiresAtMs } = readCertificateFacts(cert)
  return { name, cert, key, names, validFromMs, expiresAtMs }
}

function parseRenewal({ name, id, window, askAtMs }: Record<string, unknown>): [string, Renewal] {
  return [String(name), { id: String(id), window: parseWindow(window), askAtMs: Number(askAtMs) }]
}

function parseWindow(raw: unknown): RenewalWindow | null {
  if (typeof raw !== 'object' || raw === null) return null
  const { startMs, endMs, explanation } = raw as Partial<Record<keyof RenewalWindow, unknown>>
  return {
    startMs: Number(startMs),
    endMs: Number(endMs),
    explanation: typeof explanation === 'string' ? explanation : null,
  }
}

/** When it is time to ask for a certificate of a name: at once where there is none, and never before an authority's patience is back. */
export function dueAtMs({ certificates, troubles, renewals }: AcmeState, name: string, nowMs: number): number {
  const held = certificates.get(name)
  const wantedAtMs = held === undefined ? 0 : renewAtMs(held, renewals.get(name)?.window ?? null)
  return Math.max(wantedAtMs, waitsUntil(troubles.get(name)?.againAtMs ?? 0, nowMs))
}

/** When to ask the authority about a renewal: at once if it has not been asked. */
export function askAtMs({ certificates, renewals }: AcmeState, name: string, nowMs: number): number {
  return certificates.has(name) ? waitsUntil(renewals.get(name)?.askAtMs ?? 0, nowMs) : Number.POSITIVE_INFINITY
}

/** Longer than anyone waits here, or an authority may ask for. */
const LONGEST_WAIT_MS = 9 * 24 * 60 * 60 * 1000

/** The end of a wait. One that is too far ahead is over: it was set by a clock that was wrong, and what is kept stays. */
function waitsUntil(atMs: number, nowMs: number): number {
  return atMs - nowMs > LONGEST_WAIT_MS ? 0 : atMs
}

/**
 * When a certificate is to be renewed: where the authority names a time, by chance within it; else when a third of its life is left,
 * or up to a thirtieth of it earlier. The chance is always the same, so that all processes think alike and not all names ask at once.
 *
 * What an authority names is kept to the life that is left after its issue, but for a tenth: a time before that means now, one after
 * it would be too late. Source: RFC 9773 §4.2.
 */
export function renewAtMs({ cert, validFromMs, expiresAtMs }: HeldCertificate, window: RenewalWindow | null): number {
  const lifeMs = expiresAtMs - validFromMs
  const chance = Buffer.from(sha256(cert), 'base64url').readUInt32BE(0) / 2 ** 32
  if (window === null) return expiresAtMs - lifeMs / 3 - (chance * lifeMs) / 30
  const lastMs = expiresAtMs - lifeMs / 10
  const startMs = Math.min(Math.max(window.startMs, Math.min(validFromMs, window.endMs)), lastMs)
  return startMs + chance * (Math.min(window.endMs, lastMs) - startMs)
}

export interface SharedStateTools {
  readonly store: Pick<SessionStore, 'readShared' | 'replaceShared'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'random'>
}

/** What the processes of a gate know together of the authority that the file names, sealed in the session store. */
interface SharedState {
  /** As it was last read; null before that, and where there is none. */
  readonly state: AcmeState | null
  /** That of the account's key: with it any process answers the authority. Null where there is no account yet. */
  readonly thumbprint: string | null
  /** What is kept, opened again only where it is another. Throws `session.store` where it was sealed with another key. */
  read(config: AcmeConfig): Promise<AcmeState | null>
  /** Puts it in place of what was last read. Throws `session.store` where another process was faster. */
  write(config: AcmeConfig, next: AcmeState): Promise<void>
  /** True for one process at a time, which may ask the authority until then. */
  lease(config: AcmeConfig, untilMs: number): Promise<boolean>
}

const SEALED_MS = 10 * 365 * 24 * 60 * 60 * 1000
const PURPOSE = 'acme'

/**
 * The state over the session store, sealed: one value for each directory, and a lease by which one process at a time
 * changes it.
 */
export function shareState({ store, sealer, ports }: SharedStateTools): SharedState {
  const owner = randomToken(ports.random)
  let text: string | null = null
  let state: AcmeState | null = null
  let directory = ''
  let thumbprint: string | null = null
  /** How many reads have begun, and the last of them whose result counts. */
  let begun = 0
  let last = 0

  async function read(config: AcmeConfig): Promise<AcmeState | null> {
    const own = ++begun
    const found = await store.readShared(place(config))
    if (found === text && directory === config.directory) return state
    const opened = found === null ? null : parseState(await sealer.open(found, PURPOSE))
    if (found !== null && opened === null) {
      throw new GateError('session.store', 'the certificates in the session store were sealed with another key', {
        hint: 'every machine needs the same [sessions] key; where that key is lost, begin with a new store',
      })
    }
    const print = opened === null ? null : await thumbprintOf(opened.accountKey)
    // Strangers have it read, too: what was asked for before may be older than what is known by now.
    if (own < last) return state
    last = own
    text = found
    state = opened
    directory = config.directory
    thumbprint = print
    return state
  }

  async function write(config: AcmeConfig, next: AcmeState): Promise<void> {
    const sealed = await sealer.seal(packState(next), PURPOSE, ports.now() + SEALED_MS)
    if (!(await store.replaceShared(place(config), text, sealed))) {
      throw new GateError('session.store', 'another process changed the certificates at the same time')
    }
    await read(config)
  }

  async function lease(config: AcmeConfig, untilMs: number): Promise<boolean> {
    const name = `${place(config)}-lease`
    const before = await store.readShared(name)
    const [holder, until] = (before ?? ' 0').split(' ')
    if (holder !== owner && waitsUntil(Number(until), ports.now()) > ports.now()) return false
    return await store.replaceShared(name, before, `${owner} ${untilMs}`)
  }

  return {
    get state() {
      return state
    },
    get thumbprint() {
      return thumbprint
    },
    read,
    write,
    lease,
  }
}

/** Each authority has a separate value, by the address of its directory. */
function place({ directory }: AcmeConfig): string {
  return `acme-${sha256(directory).slice(0, 16)}`
}
