import type { ProviderConfig } from '../../../src/config/resolve/providers.ts'
import type { KnownClient } from '../toml.ts'

/** A provider as a file with nothing but its client describes it, changed where a test says so. */
export function providerConfig(
  { issuer, clientId, clientSecret }: KnownClient,
  changed: Partial<ProviderConfig> = {},
): ProviderConfig {
  return {
    name: 'test',
    label: 'Test',
    users: null,
    oauth2: null,
    issuer,
    metadataUrl: null,
    internalUrl: null,
    backChannelOrigins: [],
    ca: null,
    clientId,
    clientSecret,
    clientKey: null,
    assertionAudience: null,
    assertionFile: null,
    clientAuth: null,
    par: 'required',
    scopes: null,
    trustsEmails: false,
    emailDomains: null,
    prefix: '',
    claims: { email: null, email_verified: null, groups: null, name: null, preferred_username: null },
    groupsForm: { kind: 'list' },
    hasRoleGroups: false,
    namedClaims: [],
    othersPrefixes: [],
    claimsFrom: 'both',
    authorizeParams: new Map(),
    idTokenAlgs: null,
    accessTokens: null,
    idTokenClients: [],
    scim: null,
    takesPasswords: true,
    ...changed,
  }
}
