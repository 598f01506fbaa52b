/** When certificates are renewed, by what the authority says (RFC 9773), and the work that waits for it. */

import { errorFacts } from '../../base/errors.ts'
import type { Log, Ports } from '../../base/ports.ts'
import type { AcmeConfig } from '../../config/resolve/tls.ts'
import { askRenewalInfo, certificateId, type RenewalAnswer } from './authority/renewal-info.ts'
import { type AcmeState, askAtMs, type Renewal } from './state.ts'

/** What is less is how authorities round. */
const MOVED_MS = 60 * 60 * 1000

const DAY_MS = 24 * 60 * 60 * 1000

/** RFC 9773 §4.3.3: the wait after an answer that was none. */
const AFTER_FAILURE_MS = 6 * 60 * 60 * 1000

/**
 * The state after asking the authority when to renew certificates: for those of these names that are due. It logs a
 * changed time. Where the authority cannot be asked, its last answer counts.
 */
export async function followRenewals(
  config: AcmeConfig,
  current: AcmeState,
  names: readonly string[],
  ports: Pick<Ports, 'ask' | 'now' | 'log'>,
): Promise<AcmeState> {
  const ids = new Map<string, string | null>()
  for (const name of names) {
    const held = current.certificates.get(name)
    if (held !== undefined && askAtMs(current, name, ports.now()) <= ports.now())
      ids.set(name, certificateId(held.cert))
  }
  const asked = [...ids.values()].filter(id => id !== null)
  const answers = asked.length === 0 ? null : await ask(asked, config, current, ports)
  const renewals = new Map(current.renewals)
  for (const [name, id] of ids) {
    const before = renewals.get(name) ?? null
    const answer = id === null ? undefined : answers?.get(id)
    renewals.set(name, nextRenewal(id ?? '', before, answer, ports.now()))
    if (answer instanceof Error) {
      ports.log.debug('The authority does not say when to renew a certificate', { name, ...errorFacts(answer) })
    } else if (answer !== undefined) tellMoved(name, before, answer, ports.log)
  }
  return { ...current, renewals }
}

async function ask(
  ids: readonly string[],
  config: AcmeConfig,
  { accountKey }: AcmeState,
  ports: Pick<Ports, 'ask'>,
): Promise<ReadonlyMap<string, RenewalAnswer | Error> | null> {
  try {
    return await askRenewalInfo(ids, { ...config, key: accountKey }, ports)
  } catch (error) {
    return new Map(ids.map(id => [id, error instanceof Error ? error : new TypeError(String(error))]))
  }
}

function nextRenewal(
  id: string,
  before: Renewal | null,
  answer: RenewalAnswer | Error | undefined,
  nowMs: number,
): Renewal {
  if (answer === undefined) return { id, window: null, askAtMs: nowMs + DAY_MS }
  if (answer instanceof Error) return { id, window: before?.window ?? null, askAtMs: nowMs + AFTER_FAILURE_MS }
  return { id, window: answer.window, askAtMs: nowMs + answer.againInMs }
}

function tellMoved(name: string, before: Renewal | null, { window }: RenewalAnswer, log: Ports['log']): void {
  const { startMs, endMs, explanation } = window
  const knownMs = before?.window?.endMs
  if (knownMs === undefined || Math.abs(knownMs - endMs) < MOVED_MS) return
  const span = { from: new Date(startMs).toISOString(), until: new Date(endMs).toISOString() }
  log.info('The authority names another time for a renewal', {
    name,
    ...span,
    ...(explanation === null ? {} : { explanation }),
  })
}

/** Work that says itself when it is due again. */
interface Due {
  /** Completes "Could not …". */
  readonly what: string
  /** Answers how long there is nothing to do; Infinity: until it is woken. */
  readonly work: () => Promise<number>
  /** The wait after it failed, and the shortest of all. */
  readonly leastMs: number
  readonly log: Pick<Log, 'warn'>
}

interface Sleeper {
  /** Does the work now, or once more after it is done where it is being done. */
  wake(): void
  close(): void
}

/** One hour: clocks are set, and machines sleep, without a timer noticing. */
const LONGEST_MS = 60 * 60 * 1000

/**
 * Does some work when it is due, never twice at a time. One timer sleeps in between and keeps no process alive. It
 * starts at once. Pairs with `close`.
 *
 * A failure that lasts is logged once, and again only after a success.
 */
export function workWhenDue({ what, work, leastMs, log }: Due): Sleeper {
  let timer: Timer | null = null
  let isRunning = false
  let isWoken = false
  let isFailing = false
  let isClosed = false

  function sleep(waitMs: number): void {
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(() => void run(), waitMs)
    timer.unref()
  }

  async function run(): Promise<void> {
    timer = null
    isRunning = true
    isWoken = false
    let waitMs = leastMs
    try {
      waitMs = Math.max(await work(), leastMs)
      isFailing = false
    } catch (error) {
      if (!isFailing && !isClosed) log.warn(`Could not ${what}; it is tried again`, errorFacts(error))
      isFailing = true
    }
    isRunning = false
    if (isClosed) return
    if (isWoken) sleep(0)
    else if (waitMs !== Number.POSITIVE_INFINITY) sleep(Math.min(waitMs, LONGEST_MS))
  }

  sleep(0)
  return {
    wake() {
      isWoken = true
      if (!isRunning && !isClosed) sleep(0)
    },
    close() {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
