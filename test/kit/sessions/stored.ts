import type { StoredSession } from '../../../src/session/store.ts'

/** A session as a store keeps it, with everything that a test does not care about filled in. */
export function storedSession(id: string, changes: Partial<StoredSession> = {}): StoredSession {
  return {
    id,
    portal: 'home',
    issuer: 'https://id.example',
    subject: 'ada',
    sid: null,
    identity: '{}',
    secrets: 's',
    agent: '',
    client: '',
    isRemembered: false,
    createdAtMs: 0,
    expiresAtMs: 1000,
    lastSeenMs: 0,
    checkedAtMs: 0,
    isRefreshable: false,
    ...changes,
  }
}
