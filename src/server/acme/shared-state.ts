import { randomToken, sha256 } from '../../base/bytes.ts'
import { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { AcmeConfig } from '../../config/types/tls.ts'
import type { Sealer } from '../../session/seal.ts'
import type { SessionStore } from '../../session/store.ts'
import { thumbprintOf } from './authority/visit.ts'
import { type AcmeState, packState, parseState } from './state.ts'

export interface SharedStateTools {
  readonly store: Pick<SessionStore, 'readShared' | 'replaceShared'>
  readonly sealer: Sealer
  readonly ports: Pick<Ports, 'now' | 'random'>
}

/** What the processes of a gate know together of the authority that the file names, sealed in the session store. */
export interface SharedState {
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

  async function read(config: AcmeConfig): Promise<AcmeState | null> {
    const found = await store.readShared(place(config))
    if (found === text && directory === config.directory) return state
    const opened = found === null ? null : parseState(await sealer.open(found, PURPOSE))
    if (found !== null && opened === null) {
      throw new GateError('session.store', 'the certificates in the session store were sealed with another key', {
        hint: 'every machine needs the same [sessions] key; where that key is lost, begin with a new store',
      })
    }
    text = found
    state = opened
    directory = config.directory
    thumbprint = opened === null ? null : await thumbprintOf(opened.accountKey)
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
    if (holder !== owner && Number(until) > ports.now()) return false
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

/** Each authority has a value of its own, by where its directory is. */
function place({ directory }: AcmeConfig): string {
  return `acme-${sha256(directory).slice(0, 16)}`
}
