/** What the page `admin` shows, as types; how many people are signed in. */

import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderState } from '../../identity/provider.ts'
import type { Reason } from '../../policy/reasons.ts'
import { isBound } from '../../session/bound-sessions.ts'
import type { Session, SessionEntry, Sessions } from '../../session/session.ts'
import type { Application } from '../portal-request.ts'

/**
 * A user or client that was refused, or asked to sign in again. It omits the requested address, which may be private.
 */
export interface DenialView {
  /** How often the same person met the same reason at the same route; `atMs` and `id` are of the last time. */
  readonly count: number
  readonly atMs: number
  /** The request's id, which the log carries too. */
  readonly id: string
  readonly route: string
  readonly method: string
  readonly reason: Reason
  /** What would have to be so for it to pass, in the words of the file; null where that is not known. */
  readonly needs: string | null
  /** The groups that they came with, and those that rules ask for; null where groups have no part in it. */
  readonly groups: string | null
  /** Who it was; null for somebody who is not signed in. */
  readonly user: string | null
  readonly client: string
}

/** One address of an application, over all processes that were asked. */
export interface OriginView {
  readonly address: string
  readonly health: NonNullable<Application['health']>
  readonly inFlight: number
  /** Requests in a row that failed. */
  readonly failures: number
}

/** What an application refuses of what its route sends. */
export interface RefusalView {
  readonly kind: 'page' | 'websocket'
  /** 400, 403 or 421. */
  readonly status: number
  /** Its text, as one line that is safe to show; may be empty. */
  readonly words: string
  /** What was sent of which it may be: Host, Origin, or X-Forwarded-For. */
  readonly sent: string
  /** The keys of the route that help, as in the file; empty where nothing was seen to help. */
  readonly keys: readonly string[]
}

/** How the application of a route is: some of its addresses may fail; `own`: Sallyport answers itself. */
export type RouteState = 'up' | 'partly' | 'down' | 'unknown' | 'own'

export interface RouteView {
  readonly id: string
  readonly host: string
  /** Where it begins, as people read it: `app.example.com/path`. */
  readonly place: string
  readonly name: string
  readonly state: RouteState
  /** Why the state is not known: a proxy in front has the application, or its addresses have not answered yet. */
  readonly unknown: 'in front' | 'unasked' | null
  /** What was seen of its use since the process was started; null: nothing. */
  readonly use: { readonly lastMs: number; readonly tookMs: number; readonly count: number } | null
  /** Where its requests go, as `explain` says it. */
  readonly leadsTo: readonly string[]
  readonly access:
    | { readonly kind: 'public' | 'authenticated' }
    | { readonly kind: 'roles'; readonly roles: readonly string[] }
    /** In the words of the file. */
    | { readonly kind: 'rules'; readonly rules: readonly string[] }
  /** Rules that shut out, in the words of the file. */
  readonly deny: readonly string[]
  readonly balance: string | null
  readonly origins: readonly OriginView[]
  readonly refusal: RefusalView | null
}

/** What an admin of one portal sees of the gate, beside its sessions. */
export interface Overview {
  /** How many processes share the work, and how many of them are in this. */
  readonly processes: { readonly all: number; readonly heard: number }
  /** Newest first. */
  readonly denials: readonly DenialView[]
  readonly routes: readonly RouteView[]
  /** Those that hosts of this portal show to browsers, the first to end first, and hosts that still wait for one. */
  readonly certificates: readonly { readonly names: readonly string[]; readonly endsAtMs: number }[]
  readonly awaited: readonly string[]
  readonly providers: readonly { readonly label: string; readonly issuer: string; readonly state: ProviderState }[]
  readonly config: {
    readonly inForceSinceMs: number
    /** How many mistakes keep the last save from being used. */
    readonly mistakeCount: number
    /** What they are, where this portal is the only one of the file. */
    readonly mistakes: readonly string[]
    /** Which file it is, where this portal is the only one of it. */
    readonly path: string | null
    /** The file on disk, compared with the current one. */
    readonly onDisk: 'in force' | 'refused' | 'unread' | 'lost'
    /** Keys that only take effect after a restart. */
    readonly needsRestart: readonly string[]
    /** Gates of the same session store that run another file, and since when. */
    readonly otherFiles: readonly { readonly name: string; readonly sinceMs: number }[]
  }
}

/** What an admin asks of one request. */
export interface AskedRequest {
  /** A whole address. */
  readonly address: string
  readonly method: string
  /** Where from; null: that is not known. */
  readonly client: string | null
  /** Whose session it is; null: nobody is signed in. */
  readonly session: Session | null
}

/** What `sallyport explain` says of it. Rules and reasons are in the words of the file. */
export interface RequestExplained {
  readonly route: string | null
  readonly verdict: 'allow' | 'sign-in' | 'step-up' | 'deny' | 'no-route' | 'refused'
  readonly reason: string
  readonly why: string
  readonly who: string
  readonly roles: readonly string[]
  readonly granted: readonly { readonly role: string; readonly until: string | null }[]
  readonly rules: readonly {
    readonly list: 'allow' | 'deny'
    readonly number: number
    readonly rule: string
    readonly outcome: string
    readonly missing: readonly { readonly reason: string; readonly why: string }[]
  }[]
  readonly needs: string | null
  readonly groups: string | null
  readonly unverified_email: { readonly says: string; readonly hint: string } | null
}

export interface SessionCounts {
  readonly sessions: number
  /** How many people these are of, and how many were used within `ACTIVE_MINUTES`; null where there are too many to look at each. */
  readonly people: number | null
  readonly active: number | null
  /** How many of `looked`, the newest, are bound to a device; null where the portal binds none. */
  readonly bound: number | null
  readonly looked: number
  /** The latest sign-ins, newest first. */
  readonly latest: readonly SessionEntry[]
}

export const ACTIVE_MINUTES = 15
const ACTIVE_MS = ACTIVE_MINUTES * 60_000

/** So many are read for the page, however many there are. */
const READ = 100
const SHOWN = 5

/** Counts the live sessions of a portal. Throws `session.store`. */
export async function countSessions(
  sessions: Pick<Sessions, 'list' | 'countAt'>,
  { name: portal, bindSessions }: Pick<PortalConfig, 'name' | 'bindSessions'>,
  nowMs: number,
): Promise<SessionCounts> {
  const { entries, next } = await sessions.list(portal, { after: null, limit: READ })
  const known = {
    bound: bindSessions === null ? null : entries.filter(({ session }) => isBound(session)).length,
    looked: entries.length,
    latest: entries.slice(0, SHOWN),
  }
  if (next !== null) return { sessions: await sessions.countAt(portal), people: null, active: null, ...known }
  return {
    sessions: entries.length,
    people: new Set(entries.map(({ session: { identity } }) => `${identity.issuer} ${identity.subject}`)).size,
    active: entries.filter(({ lastSeenMs }) => lastSeenMs > nowMs - ACTIVE_MS).length,
    ...known,
  }
}
