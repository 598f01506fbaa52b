import type { Config } from '../../config/types/config.ts'
import type { RoleGrant } from '../../session/grants/document.ts'
import type { Grants } from '../../session/grants/grants.ts'
import type { SessionEntry, Sessions } from '../../session/session.ts'

export interface PresentTools {
  readonly sessions: Pick<Sessions, 'list'> & { readonly grants: Pick<Grants, 'list'> }
  now(): number
}

/** Who is signed in, as far as they are looked at. */
export interface Present {
  readonly entries: readonly SessionEntry[]
  readonly grants: ReadonlyMap<string, readonly RoleGrant[]>
  readonly nowMs: number
  /** Whether there are more. */
  readonly isCut: boolean
}

const MOST = 10_000
const PAGE = 500

/** Those who are signed in now at the portals of a file, newest first, and what was granted to people there. */
export async function presentAt({ portals }: Config, { sessions, now }: PresentTools): Promise<Present> {
  const entries: SessionEntry[] = []
  const grants = new Map<string, readonly RoleGrant[]>()
  let isCut = false
  for (const { name, requests } of portals.values()) {
    if (requests !== null) grants.set(name, (await sessions.grants.list(name)).grants)
    for (let after: string | null = null; ; ) {
      const page = await sessions.list(name, { after, limit: PAGE })
      entries.push(...page.entries)
      after = page.next
      isCut = after !== null && entries.length >= MOST
      if (after === null || isCut) break
    }
  }
  return { entries, grants, nowMs: now(), isCut }
}
