import { type AuditRecord, parseRecord } from './record.ts'
import type { AuditPage, AuditStore } from './store.ts'

const PAGE = 500

/**
 * Removes every row that is about somebody or tells of what they did to others, by their subject; where a provider is named, those
 * about its person alone, since what somebody did does not say where they had signed in. Answers how many.
 */
export async function eraseFromAudit(
  store: Pick<AuditStore, 'listAudit' | 'removeAudit'>,
  { user, provider }: { readonly user: string; readonly provider: string | null },
): Promise<number> {
  const isTheirs = ({ facts }: AuditRecord) =>
    provider === null
      ? facts.user === user || facts.by === user
      : facts.user === user && (facts.provider ?? provider) === provider
  let erased = 0
  for (let after: string | null = null; ; ) {
    const page: AuditPage = await store.listAudit({ after, limit: PAGE })
    const theirs = page.rows.filter(({ record }) => {
      const parsed = parseRecord(record)
      return parsed !== null && isTheirs(parsed)
    })
    if (theirs.length > 0) await store.removeAudit(theirs.map(({ id }) => id))
    erased += theirs.length
    after = page.next
    if (after === null) return erased
  }
}
