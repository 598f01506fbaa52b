/** A user of a file of our own. */
export interface UserEntry {
  /** What no other user ever has, also one of the same name later; null in a file of `NAME:HASH`, which has no ids. */
  readonly id: string | null
  /** What the password has to hash to. */
  readonly hash: string
  /** The secret of the second factor in Base32, where the file itself has it. */
  readonly totp: string | null
  /** The groups that this user alone is in. */
  readonly groups: readonly string[]
  /** What people call this user; null: as the user signs in. */
  readonly displayName: string | null
  readonly email: string | null
  /** API tokens and guest links that were made in an earlier epoch are over. */
  readonly tokenEpoch: number
  /** Another one as soon as anything of the entry is another. */
  readonly mark: string
}

/** People of a file of our own, who sign in by a form. */
export interface UsersConfig {
  /** The users by their names. */
  readonly entries: ReadonlyMap<string, UserEntry>
  /** Those who have to bring a code of their authenticator application besides, and its secret in Base32. */
  readonly totp: ReadonlyMap<string, string>
  /** All of them are in these. */
  readonly groups: readonly string[]
}
