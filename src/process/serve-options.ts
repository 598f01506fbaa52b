/** What a server needs from outside, and what it offers while it runs. */

import type { LevelledLog } from '../base/log.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Log, Ports } from '../base/ports.ts'
import type { CheckResult } from '../config/check.ts'
import type { Config } from '../config/resolve/config.ts'
import type { Logs } from '../console/logs.ts'
import type { AcmeTimers } from '../server/acme/order.ts'
import type { Reloaded } from '../server/config/reload.ts'
import type { InheritedSockets } from '../server/listen/inherited/sockets.ts'
import type { AdminSources } from '../server/observe/admin-listener.ts'
import type { ProcessView } from '../server/observe/process-view.ts'
import type { BindingTimes } from '../session/bound-sessions.ts'
import type { SessionTimers } from '../session/maintenance.ts'
import type { DiskWork } from '../session/sqlite/database-in-use.ts'
import type { CheckApart } from './threads/ask-thread.ts'

/** What a server needs from outside. */
export interface ServeOptions {
  readonly configPath: string
  /** The file as just read, where the caller has read it already: ten thousand routes take a second. */
  readonly loaded?: CheckResult
  /** How a long file is checked when it has changed, so that requests need not wait for it; absent: like a short one. */
  readonly checkApart?: CheckApart
  /** How the session database is looked after where that waits for the disk; absent: here. */
  readonly diskWork?: DiskWork
  /**
   * Whether public routes are served while the session database cannot be opened, for a disk that is full or broken; absent: that is
   * thrown, as for a process that is to take the place of one which has it open.
   */
  readonly isPatient?: boolean
  readonly ports: Omit<Ports, 'log'> & { readonly log: LevelledLog }
  /** Where access records go, in batches of whole lines, and what gets the log settings of the file. */
  readonly logs: Pick<Logs, 'access' | 'configure'>
  /** How often what is open is held against rules about time; a sensible default when absent. */
  readonly recheckMs?: number
  /** How long a client's connection may be silent, in seconds; what Bun takes at most when absent. */
  readonly idleTimeoutS?: number
  /** How long a body of known length is waited for, so that it keeps its length; a sensible default when absent. */
  readonly bodyWaitMs?: number
  /** How long a body of up to 64 KiB for the portal may take; a sensible time when absent. */
  readonly formWaitMs?: number
  /** How soon a password is asked about again that others under way may make room for; a sensible time when absent. */
  readonly askAgainMs?: number
  /** Which bodies go on unseen, for tests: every one that can, or none; those for which there is room when absent. */
  readonly unseen?: 'every' | 'none'
  /** How often sessions are looked after, for tests; sensible times when absent. */
  readonly sessionTimers?: Partial<SessionTimers>
  /** How long the proof of a device counts, for tests; sensible times when absent. */
  readonly bindingTimes?: BindingTimes
  /** How long an HTTPS listener with replaced certificates continues. */
  readonly partingMs?: number
  /** For how long nothing may have come before listeners are closed, so that clients with kept connections have left them; absent: at once. */
  readonly quietMs?: number
  /** How often certificates from an authority are looked after; sensible times when absent. */
  readonly acmeTimers?: AcmeTimers
  /** Sockets that listen already; none when absent. */
  readonly inherited?: InheritedSockets
  /** The result of reading the file after the start. */
  readonly onRead?: (isGood: boolean) => void
  /** What other gates of the session store call this one; the name of the machine when absent. */
  readonly name?: string
  /** Set where this process is one of several that a supervisor started. */
  readonly worker?: WorkerPart
}

/** How a worker differs from a single server; the supervisor also has the admin listener. */
export interface WorkerPart {
  /** From 1. Only the first listens on local sockets, which processes cannot share. */
  readonly index: number
  /** The name in Via that all workers share: a request that comes back to another of them is a loop too. */
  readonly pseudonym: string
  /** Where to say what every worker says of the file, and the supervisor once for all. */
  readonly fileLog: Log
  /** What the other workers know, with null for one that does not answer. */
  askOthers(): Promise<readonly (ProcessView | null)[]>
  /** Notifies the other workers of sessions that should have ended but could not, since the session store failed. */
  tellOwed(ids: readonly string[]): void
}

/** A running server. Pairs with `stop`. */
export interface RunningServer {
  /** Addresses that are listened on, as the file writes them, with the real port where the file says 0. */
  readonly addresses: readonly string[]
  /** The same for HTTPS. */
  readonly secureAddresses: readonly string[]
  /** Where proxies in front ask for verdicts. */
  readonly verifyAddresses: readonly string[]
  readonly admin: string | null
  readonly config: Config
  /** Ends, as soon as the session store can, what another worker could not. */
  owe(ids: readonly string[]): void
  /** What the admin listener shows of this process. */
  readonly sources: AdminSources
  /** What only this process knows, for the other workers: somebody looks. */
  view(): Promise<ProcessView>
  /** Reads the file again; answers what happened, for a long file later. */
  reload(): MaybePromise<Reloaded>
  /**
   * The same, and metadata and keys of providers are fetched again when they are needed next: providers may have
   * changed.
   */
  renew(): MaybePromise<Reloaded>
  /**
   * Accepts no new requests, lets those in flight finish within `drain`, and closes everything. Where another process
   * has the same sockets by now, streams without an end get that time, too.
   */
  stop(isSucceeded?: boolean): Promise<void>
}
