/** How a mistake of the set-up is mended that a provider tells by refusing a sign-in; null where its words do not say which it is. */
export function mendOf(word: string, says: string): string | null {
  if (/pushed/i.test(says)) {
    return 'the provider takes only requests of this client that are pushed to it: write par = "always" into its table'
  }
  if (word === 'invalid_scope' || /scope/i.test(says)) {
    return 'the provider knows one of the scopes not, or this client may not have it: see scopes in its table, and what the client has there'
  }
  if (/code[ _]challenge|pkce/i.test(says)) {
    return 'sign-ins use PKCE with S256: let the client take that method at the provider (Keycloak: Proof Key for Code Exchange)'
  }
  if (word === 'unauthorized_client' || word === 'unsupported_response_type') {
    return 'turn on the authorization code flow for this client at the provider (Keycloak: standard flow)'
  }
  return null
}
