/** Load balancing: which address of an upstream is asked next. */

import type { HashKey, UpstreamConfig } from '../../config/keys/upstreams.ts'
import type { Session } from '../../session/session.ts'
import { isUp, type Origin } from './origin.ts'

/** Who asks: what a choice of address may depend on. */
export interface Asker {
  /** The request's fields as they came, names lower-case. */
  readonly sent: Readonly<Record<string, string>>
  /** The client's address. */
  readonly client: string
  readonly session: Session | null
}

/** Chooses an address among those that were not tried yet, of which there is at least one. */
export type Balance = (asker: Asker, tried: readonly Origin[], nowMs: number) => Origin

/**
 * How an upstream's addresses share requests.
 *
 * Addresses that are down come into question only where no other is left: the last one is always tried. `hash` is
 * rendezvous hashing, so that an address that goes or comes moves only the requests that are its own.
 */
export function compileBalance(
  config: Readonly<{ balance: UpstreamConfig['balance']; hash: HashKey }>,
  origins: readonly Origin[],
): Balance {
  const choose = compileChoice(config)
  return (asker, tried, nowMs) => {
    const left = tried.length === 0 ? origins : origins.filter(origin => !tried.includes(origin))
    const up = left.filter(origin => isUp(origin, nowMs))
    return choose(up.length === 0 ? left : up, asker)
  }
}

type Choice = (origins: readonly Origin[], asker: Asker) => Origin

function compileChoice({ balance, hash }: Readonly<{ balance: UpstreamConfig['balance']; hash: HashKey }>): Choice {
  let turn = 0
  const inTurn: Choice = origins => at(origins, turn++ % origins.length)
  switch (balance) {
    case 'round-robin':
      return inTurn
    case 'least-connections':
      return (origins, asker) => {
        const least = Math.min(...origins.map(origin => origin.inFlight))
        const idlest = origins.filter(origin => origin.inFlight === least)
        return inTurn(idlest, asker)
      }
    case 'hash': {
      const keyOf = compileKey(hash)
      return (origins, asker) => highest(origins, keyOf(asker) ?? `client ${asker.client}`)
    }
  }
}

function compileKey(hash: HashKey): (asker: Asker) => string | null {
  switch (hash.kind) {
    case 'client':
      return () => null
    case 'user':
      return ({ session }) => {
        if (session === null) return null
        return `user ${session.identity.issuer} ${session.identity.subject}`
      }
    case 'header': {
      const name = hash.name.toLowerCase()
      return ({ sent }) => sent[name] ?? null
    }
    case 'cookie':
      return ({ sent }) => cookieOf(sent.cookie, hash.name)
  }
}

/** The first cookie with exactly this name. Source: RFC 6265 §4.2.1. */
function cookieOf(field: string | undefined, name: string): string | null {
  if (field === undefined) return null
  for (const pair of field.split('; ')) if (pair.startsWith(`${name}=`)) return pair.slice(name.length + 1)
  return null
}

function highest(origins: readonly Origin[], key: string): Origin {
  let best = at(origins, 0)
  let bestScore = -1
  for (const origin of origins) {
    const score = Bun.hash.xxHash32(`${origin.label}${origin.base} ${key}`)
    if (score > bestScore) [best, bestScore] = [origin, score]
  }
  return best
}

function at(origins: readonly Origin[], index: number): Origin {
  const origin = origins[index]
  if (origin === undefined) throw new TypeError('an upstream needs at least one address')
  return origin
}
