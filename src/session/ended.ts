/** Endings as the store keeps them: of which users, or of everybody. */

/** Whose sessions were ended; null matches any. */
export interface EndedMatch {
  readonly issuer: string | null
  readonly subject: string | null
  /** The provider's own name for its session. */
  readonly sid: string | null
}

/** Everyone's. */
export const EVERYONE: EndedMatch = Object.freeze({ issuer: null, subject: null, sid: null })

/** An EndedMatch from a store; null for another form: then it may be about any session. */
export function parseEndedMatch(text: string): EndedMatch | null {
  try {
    const raw = JSON.parse(text) as Partial<Record<keyof EndedMatch, unknown>> | null
    const [issuer, subject, sid] = [raw?.issuer, raw?.subject, raw?.sid]
    return isName(issuer) && isName(subject) && isName(sid) ? { issuer, subject, sid } : null
  } catch {
    return null
  }
}

function isName(raw: unknown): raw is string | null {
  return raw === null || typeof raw === 'string'
}

/** Whether a match is about everyone. */
export function isEveryone({ issuer, subject, sid }: EndedMatch): boolean {
  return issuer === null && subject === null && sid === null
}

/** Whether the match includes this user. */
export function isOfMatch({ issuer, subject, sid }: EndedMatch, one: EndedMatch): boolean {
  if (issuer !== null && issuer !== one.issuer) return false
  return (subject === null || subject === one.subject) && (sid === null || sid === one.sid)
}
