/** What the session store knows of sign-ins so far, which is better evidence than any question to a provider. */

import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import type { Running } from '../../console/drop-root.ts'
import type { SignInsSeenAt } from '../../session/session.ts'
import { openStateAsUser } from '../with-sessions.ts'
import { bad, type Finding, good, type Section, unknown } from './finding.ts'

/** The results of sign-ins at each provider, by its name; or why they are unknown. */
export type SeenSignIns = ReadonlyMap<string, SignInsSeenAt> | string

/** How long somebody has who is to sign in now. */
const WAIT_MS = 5 * 60_000
const POLL_MS = 500
/** A gate writes no more often than each few seconds that somebody has come in. */
const SLACK_MS = 5_000

/**
 * The results of sign-ins at these providers that a running gate has noted in the session store. With `isLater`, it
 * waits for a new result at each of them, for a few minutes at most.
 *
 * A command of root becomes the store's user: after that it has no root rights.
 */
export async function readSignIns(
  config: Config,
  providers: readonly ProviderConfig[],
  ports: Pick<Ports, 'now' | 'random' | 'log'>,
  { isLater, running }: { readonly isLater: boolean; readonly running: Running | null },
): Promise<SeenSignIns> {
  const { store } = config.sessions
  if (store.kind === 'sqlite' && store.path === ':memory:') return 'sessions are in the memory of the server alone'
  // To open a database that is not there would make it.
  if (store.kind === 'sqlite' && !existsSync(store.path)) return `there is no ${store.path} yet`
  try {
    const { sessions } = openStateAsUser(config, ports, running)
    try {
      const read = async () =>
        new Map(await Promise.all(providers.map(async one => [one.name, await sessions.signInsSeen(one)] as const)))
      const fromMs = ports.now() - SLACK_MS
      const isOver = (seen: ReadonlyMap<string, SignInsSeenAt>) =>
        [...seen.values()].every(one => Math.max(one.completedAtMs ?? 0, one.failure?.atMs ?? 0) >= fromMs)
      let seen = await read()
      while (isLater && !isOver(seen) && ports.now() < fromMs + WAIT_MS) {
        await wait(POLL_MS)
        seen = await read()
      }
      return seen
    } finally {
      await sessions.close()
    }
  } catch (error) {
    return String(errorFacts(error).error)
  }
}

/** The section of a provider, with what came of sign-ins there: what only a sign-in shows is no question any more once somebody came in. */
export function withSignIns(section: Section, { name }: ProviderConfig, seen: SeenSignIns): Section {
  const { about, findings } = section
  const judged = judge(name, seen)
  const rest = judged.grade === 'good' ? findings.filter(({ isUntilSignIn }) => isUntilSignIn !== true) : findings
  return { about, findings: [...rest, judged] }
}

function judge(name: string, seen: SeenSignIns): Finding {
  if (typeof seen === 'string') {
    return unknown(`whether anybody has signed in is not known: ${seen}`, SIGN_IN)
  }
  const { completedAtMs = null, failure = null } = seen.get(name) ?? {}
  if (failure !== null) {
    const since =
      completedAtMs === null ? 'no user has signed in yet' : `no user has signed in since ${at(completedAtMs)}`
    return bad(
      `the last sign-in failed at ${at(failure.atMs)}, and ${since}: ${failure.error}`,
      `${failure.hint ?? 'the provider’s own log says more'}; after the fix, sign in once`,
    )
  }
  if (completedAtMs !== null) return good(`a user signed in at ${at(completedAtMs)}, and no sign-in failed since`)
  return unknown('no user has signed in yet: whether a sign-in works is not known', SIGN_IN)
}

const SIGN_IN = 'sign in once at the running server, and ask again; sallyport doctor --sign-in waits for it'

function at(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
