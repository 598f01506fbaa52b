/** What a user of a file has set over their entry in it: own password, second factor, recovery codes, passkeys. */

/** A passkey (WebAuthn Level 3 §4, credential record). Texts of bytes are base64url. */
export interface Passkey {
  /** The credential id. */
  readonly id: string
  /** COSE_Key. */
  readonly publicKey: string
  /** The last signature counter; 0 where the authenticator counts nothing. */
  readonly counter: number
  /** The host that it is for, for good. */
  readonly rpId: string
  /** What its owner calls it. */
  readonly name: string
  readonly createdAtMs: number
  /** Null: not used since it was made. */
  readonly usedAtMs: number | null
  /** Whether it can be synced, and is (§6.1.3). */
  readonly isBackupEligible: boolean
  readonly isBackedUp: boolean
}

/** What the next sign-in shows to a user. */
export interface Notice {
  /** `recovery`: a recovery code was used. `invitation`: this passkey was added with an invitation. */
  readonly what: 'recovery' | 'invitation'
  readonly atMs: number
  readonly passkey?: Pick<Passkey, 'id' | 'name'>
}

export interface Account {
  /** Another one after each change by which other sign-ins end; empty before the first. */
  readonly stamp: string
  /** The hash of an own password, and since when; null: that of the file. */
  readonly password: { readonly hash: string; readonly atMs: number } | null
  /** An own second factor, sealed; null: that of the file, where it has one. */
  readonly factor: { readonly sealed: string; readonly atMs: number } | null
  /** The hashes of the recovery codes that are left (`recoveryHash`). */
  readonly recovery: readonly string[]
  readonly passkeys: readonly Passkey[]
  readonly notices: readonly Notice[]
}

/** The account of a user who has set nothing. */
export const EMPTY: Account = Object.freeze({
  stamp: '',
  password: null,
  factor: null,
  recovery: Object.freeze([]),
  passkeys: Object.freeze([]),
  notices: Object.freeze([]),
})

/** An account as it is stored: with the entry of the file that it belongs to. */
interface StoredForm extends Account {
  readonly over: string
}

export function storedAccount(account: Account, over: string): string {
  return JSON.stringify({ over, ...account } satisfies StoredForm)
}

/**
 * A stored account; null where it belongs to another entry than this. Throws TypeError for one in another form: a
 * password that was replaced must not count again because its account cannot be read.
 */
export function parseAccount(value: string, over: string): Account | null {
  const raw: unknown = JSON.parse(value)
  if (!isStoredForm(raw)) throw new TypeError('a stored account is of another form')
  if (raw.over !== over) return null
  const { over: _, ...account } = raw
  return account
}

type Loose<T> = { readonly [K in keyof T]?: unknown }

function isStoredForm(raw: unknown): raw is StoredForm {
  if (typeof raw !== 'object' || raw === null) return false
  const { over, stamp, password, factor, recovery, passkeys, notices }: Loose<StoredForm> = raw
  return (
    areTexts(over, stamp) &&
    (password === null || hasFields(password, ['hash'], ['atMs'])) &&
    (factor === null || hasFields(factor, ['sealed'], ['atMs'])) &&
    Array.isArray(recovery) &&
    areTexts(...recovery) &&
    Array.isArray(passkeys) &&
    passkeys.every(isPasskey) &&
    Array.isArray(notices) &&
    notices.every(isNotice)
  )
}

function isNotice(raw: unknown): raw is Notice {
  if (!hasFields(raw, ['what'], ['atMs'])) return false
  const { passkey }: Loose<Notice> = raw
  return passkey === undefined || hasFields(passkey, ['id', 'name'], [])
}

function isPasskey(raw: unknown): raw is Passkey {
  if (!hasFields(raw, ['id', 'publicKey', 'rpId', 'name'], ['counter', 'createdAtMs'])) return false
  const { usedAtMs, isBackupEligible, isBackedUp }: Loose<Passkey> = raw
  const areFlags = typeof isBackupEligible === 'boolean' && typeof isBackedUp === 'boolean'
  const isTime = usedAtMs === null || typeof usedAtMs === 'number'
  return areFlags && isTime
}

function hasFields(raw: unknown, texts: readonly string[], numbers: readonly string[]): raw is object {
  if (typeof raw !== 'object' || raw === null) return false
  return areTexts(...texts.map(one => Reflect.get(raw, one))) && numbers.every(one => isNumber(Reflect.get(raw, one)))
}

function areTexts(...values: readonly unknown[]): boolean {
  return values.every(value => typeof value === 'string')
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value)
}
