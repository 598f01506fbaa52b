import type { RootTable } from '../keys/keys.ts'
import type { SERVER_RATE } from '../keys/limits.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { Table } from '../keys/table.ts'
import type { Report } from '../text/report.ts'

/** What limits say together with the routes that have them: people are told apart only where they can sign in. */
export function checkLimits(root: RootTable, report: Report): void {
  checkSignIns(root.values.server?.values.sign_in_rate, report)
  for (const route of root.values.routes ?? []) {
    checkRate(route, report)
    checkKept(route, 'keep_posts', 'no form is ever kept', report)
    checkKept(route, 'keep_fragment', 'no address is ever left', report)
  }
}

/** How many an address may begin at once, and in the hour that one may take: more of them are not kept (`session/spent/single-use.ts`). */
const MOST_AT_ONCE = 6000
const MOST_AFTER = 14_000
const KEPT_MS = 3_600_000

function checkSignIns(rate: Table<typeof SERVER_RATE> | null | undefined, report: Report): void {
  if (!rate) return
  const { requests, per, burst } = rate.values
  const hint = 'further ones would push out those that have begun'
  const atOnce = burst ?? requests
  if (atOnce !== undefined && atOnce > MOST_AT_ONCE) {
    const key = burst === null ? 'requests' : 'burst'
    report.mistake([...rate.at, key], 'number.range', `at most ${MOST_AT_ONCE} sign-ins may begin at once`, { hint })
  } else if (requests !== undefined && per !== undefined && (requests * KEPT_MS) / per > MOST_AFTER) {
    const message = `at most ${MOST_AFTER} sign-ins may begin in an hour, after those at once`
    report.mistake([...rate.at, 'requests'], 'number.range', message, { hint })
  }
}

function checkRate({ values, at }: RouteTable, report: Report): void {
  if (values.rate?.values.by !== 'user' || values.portal !== null) return
  const hint = 'set by = "client", or add portal = "…": where people sign in'
  report.mistake([...at, 'rate', 'by'], 'rate.user', 'nobody can be told apart on a route without a portal', { hint })
}

/** What is kept while people sign in, where nobody does. */
function checkKept({ values, at }: RouteTable, key: 'keep_posts' | 'keep_fragment', so: string, report: Report): void {
  const { keep_posts: posts, keep_fragment: fragment, allow, deny, portal } = values
  if (key === 'keep_posts' ? !posts || posts.maxBytes === null : fragment !== true) return
  const isOpen = allow?.kind === 'public' && deny === null
  if (!isOpen && portal !== null) return
  const hint = 'remove it: it is for routes where people sign in'
  report.mistake([...at, key], `${key}.unused`, `nobody is asked to sign in here, so ${so}`, { hint, part: 'key' })
}
