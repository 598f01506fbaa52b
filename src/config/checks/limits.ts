import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { Report } from '../text/report.ts'

/** What limits say together with the routes that have them: people are told apart only where they can sign in. */
export function checkLimits(root: RootTable, report: Report): void {
  for (const route of root.values.routes ?? []) {
    checkRate(route, report)
    checkKept(route, 'keep_posts', 'no form is ever kept', report)
    checkKept(route, 'keep_fragment', 'no address is ever left', report)
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
