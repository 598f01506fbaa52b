/** Ada as a provider tells of her, without a word of whether her address is verified. */
export const ADA = {
  sub: 'ada',
  name: 'Ada',
  preferred_username: 'ada',
  email: 'ada@example.com',
  groups: ['admins', 'users'],
}

/** Grace, who is no admin. */
export const GRACE = {
  sub: 'grace',
  name: 'Grace',
  preferred_username: 'grace',
  email: 'grace@example.com',
  groups: ['users'],
}

/** Ada of the set-ups that people move in from, where her address is verified and her `sub` is not her name. */
export const ADA_OF_STAFF = { ...ADA, sub: 'ada-1', email_verified: true, groups: ['staff', 'ops'] }
