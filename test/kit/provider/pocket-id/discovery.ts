import type { PocketIdVersion } from './people.ts'
import type { KeyAlgorithm } from './tokens.ts'

/** The discovery document; `inner` is where programs reach it, which is its own address unless INTERNAL_APP_URL says otherwise. */
export function discoveryOf(version: PocketIdVersion, issuer: string, inner: string, algorithm: KeyAlgorithm) {
  const common = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${inner}/api/oidc/token`,
    userinfo_endpoint: `${inner}/api/oidc/userinfo`,
    end_session_endpoint: `${issuer}/api/oidc/end-session`,
    introspection_endpoint: `${inner}/api/oidc/introspect`,
    device_authorization_endpoint: `${issuer}/api/oidc/device/authorize`,
    jwks_uri: `${inner}/.well-known/jwks.json`,
    pushed_authorization_request_endpoint: `${inner}/api/oidc/par`,
    require_pushed_authorization_requests: false,
    authorization_response_iss_parameter_supported: true,
    code_challenge_methods_supported: ['plain', 'S256'],
    grant_types_supported: [
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
      'client_credentials',
    ],
    id_token_signing_alg_values_supported: [algorithm],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    subject_types_supported: ['public'],
  }
  const claims = [
    'sub',
    'given_name',
    'family_name',
    'name',
    'email',
    'email_verified',
    'preferred_username',
    'picture',
  ]
  if (version === '2.9') {
    return {
      ...common,
      claims_supported: [...claims, 'groups'],
      scopes_supported: ['openid', 'profile', 'email', 'groups'],
      response_types_supported: ['code', 'id_token'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    }
  }
  return {
    ...common,
    claims_supported: [...claims, 'display_name', 'groups', 'auth_time', 'amr'],
    scopes_supported: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'fragment', 'form_post'],
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    request_object_signing_alg_values_supported: ['none'],
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'Bearer'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    client_id_metadata_document_supported: false,
    service_documentation: 'https://pocket-id.org/docs',
  }
}
