import type { RootTable } from '../keys/keys.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { Report } from '../text/report.ts'

/** What limits say together with the routes that have them: people are told apart only where they can sign in. */
export function checkLimits(root: RootTable, report: Report): void {
  for (const route of root.values.routes ?? []) {
    checkRate(route, report)
    checkKeepPosts(route, report)
  }
}

function checkRate({ values, at }: RouteTable, report: Report): void {
  if (values.rate?.values.by !== 'user' || values.portal !== null) return
  const hint = 'set by = "client", or add portal = "…": where people sign in'
  report.mistake([...at, 'rate', 'by'], 'rate.user', 'nobody can be told apart on a route without a portal', { hint })
}

function checkKeepPosts({ values, at }: RouteTable, report: Report): void {
  const { keep_posts: kept, allow, deny, portal } = values
  if (!kept || kept.maxBytes === null) return
  const isOpen = allow?.kind === 'public' && deny === null
  if (!isOpen && portal !== null) return
  const hint = 'remove it: it is for routes where people sign in'
  const message = 'nobody is asked to sign in here, so no form is ever kept'
  report.mistake([...at, 'keep_posts'], 'keep_posts.unused', message, { hint, part: 'key' })
}
