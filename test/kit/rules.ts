/** The keys of rules and roles that say who somebody is, where a file has none of them. */
export const NOBODY_IN_PARTICULAR = {
  providers: null,
  subjects: null,
  emails: null,
  domains: null,
  groups: null,
  claims: null,
  like: null,
  requireEmail: false,
  requireVerifiedEmail: false,
} as const
