/** A version of Pocket ID, of the two that differ: 2.9 has errors in words of its own, 2.14 those of RFC 6749. */
export type PocketIdVersion = '2.9' | '2.14'

/** Somebody who has an account there; whoever signs in names the `username`. */
export interface PocketIdUser {
  readonly sub: string
  readonly username: string
  readonly email: string | null
  /** As an administrator has to say: nobody's address is verified by itself. */
  readonly emailVerified: boolean
  readonly firstName: string
  readonly lastName: string
  /** Names of groups. */
  readonly groups: readonly string[]
  readonly isDisabled: boolean
  /** How they sign in: `phr` by a passkey, `otp` by a code. */
  readonly method: 'phr' | 'otp'
}

/** An account with a passkey and nothing more, changed where a test says so. */
export function pocketIdUser(username: string, changed: Partial<PocketIdUser> = {}): PocketIdUser {
  return {
    sub: `sub-of-${username}`,
    username,
    email: `${username}@example.com`,
    emailVerified: false,
    firstName: username.slice(0, 1).toUpperCase() + username.slice(1),
    lastName: 'Tester',
    groups: [],
    isDisabled: false,
    method: 'phr',
    ...changed,
  }
}

/** Somebody whose assertions stand for a client's secret, and where their keys are. */
export interface FederatedIdentity {
  readonly issuer: string
  readonly subject: string
  readonly audience: string
  readonly jwks: string
}

/** A client as its API describes it. */
export interface PocketIdClient {
  readonly id: string
  readonly name: string
  /** None: a client that was made, and has no secret yet. */
  readonly secrets: readonly string[]
  readonly callbackURLs: readonly string[]
  readonly logoutCallbackURLs: readonly string[]
  readonly launchURL: string | null
  readonly isPublic: boolean
  readonly pkceEnabled: boolean
  readonly requiresPushedAuthorizationRequests: boolean
  readonly isGroupRestricted: boolean
  /** Ids of groups. */
  readonly allowedUserGroups: readonly string[]
  /** What people see of it there; 2.9 keeps no description. */
  readonly hasLogo: boolean
  readonly description: string | null
  readonly credentials: { readonly federatedIdentities?: readonly FederatedIdentity[] }
}

/** A client as `init` makes one, changed where a test says so. */
export function pocketIdClient(id: string, changed: Partial<PocketIdClient> = {}): PocketIdClient {
  return {
    id,
    name: 'Sallyport',
    secrets: [],
    callbackURLs: [],
    logoutCallbackURLs: [],
    launchURL: null,
    isPublic: false,
    pkceEnabled: true,
    requiresPushedAuthorizationRequests: false,
    isGroupRestricted: false,
    allowedUserGroups: [],
    hasLogo: false,
    description: null,
    credentials: {},
    ...changed,
  }
}

/** A group: rules are by its `name`, people read its `friendlyName`. */
export interface PocketIdGroup {
  readonly id: string
  readonly name: string
  readonly friendlyName: string
}

/** What a Pocket ID knows. */
export interface PocketIdState {
  readonly version: PocketIdVersion
  readonly users: Map<string, PocketIdUser>
  readonly clients: Map<string, PocketIdClient>
  readonly groups: Map<string, PocketIdGroup>
  /** Whether its API makes secrets; some program in front may know neither place for that. */
  readonly givesSecrets: boolean
}

/** Whether this account may use this client: everybody, or members of the groups that it is for. */
export function isAllowed({ groups }: PocketIdState, user: PocketIdUser, client: PocketIdClient): boolean {
  if (!client.isGroupRestricted) return true
  return client.allowedUserGroups.some(id => user.groups.includes(groups.get(id)?.name ?? ''))
}
