/**
 * Every code that a Diagnostic can carry. Codes are API for scripts: they are never renamed.
 *
 * The list is closed, and each has at least one case in `test/config/mistakes.test.ts`.
 */
export const DIAGNOSTIC_CODES = [
  'file.unreadable',
  'toml.syntax',
  'toml.encoding',
  'toml.depth',
  'key.unknown',
  'key.missing',
  'key.type',
  'key.twice',
  'key.not_built',
  'name.invalid',
  'text.empty',
  'text.control',
  'list.empty',
  'list.repeated',
  'number.range',
  'choice.unknown',
  'substitution.syntax',
  'substitution.unset',
  'substitution.empty',
  'substitution.unreadable',
  'duration.invalid',
  'duration.range',
  'size.invalid',
  'size.range',
  'rate.user',
  'listen.invalid',
  'listen.repeated',
  'workers.unshared',
  'tls.certificates',
  'tls.file',
  'tls.pem',
  'tls.pair',
  'tls.names',
  'tls.expiry',
  'tls.uncovered',
  'network.invalid',
  'network.everyone',
  'store.invalid',
  'store.memory',
  'sessions.idle',
  'sessions.key',
  'sessions.remember',
  'sessions.refresh_limit',
  'issuer.invalid',
  'issuer.insecure',
  'client_auth.secret',
  'access_tokens.audience',
  'id_token_alg.refused',
  'scopes.openid',
  'provider.undefined',
  'provider.unused',
  'portal.undefined',
  'portal.unused',
  'portal.missing',
  'portal.url',
  'portal.host_taken',
  'portal.insecure',
  'portal.insecure_cookies',
  'portal.shared_host',
  'portal.callback',
  'portal.guest_links',
  'portal.colour',
  'portal.logo',
  'portal.htpasswd',
  'portal.htpasswd_weak',
  'passwords.none',
  'passwords.unused',
  'passwords.needed',
  'provider.reserved',
  'app.icon',
  'app.unlisted',
  'role.undefined',
  'role.reserved',
  'role.empty',
  'role.provider',
  'email.invalid',
  'domain.invalid',
  'host.invalid',
  'host.wildcard',
  'host.portals',
  'path.invalid',
  'path.reserved',
  'route.none',
  'route.duplicate',
  'route.case',
  'allow.mixed',
  'deny.everyone',
  'deny.signed_out',
  'rule.empty',
  'rule.depth',
  'rule.anonymous',
  'rule.guest_link',
  'rule.method',
  'rule.dates',
  'hours.invalid',
  'days.invalid',
  'timezone.unknown',
  'timezone.unused',
  'date.invalid',
  'reference.invalid',
  'upstream.invalid',
  'upstream.undefined',
  'upstream.unused',
  'upstream.hash',
  'upstream.basic_auth',
  'upstream.scheme',
  'upstream.file',
  'upstream.pem',
  'upstream.pair',
  'upstream.insecure',
  'method.invalid',
  'strip_prefix.mismatch',
  'keep_posts.unused',
  'route.target',
  'route.verify',
  'redirect.invalid',
  'respond.body',
  'origin.invalid',
  'header.name',
  'header.owned',
  'header.repeated',
  'header.template',
  'assertion.issuer',
] as const

export type DiagnosticCode = (typeof DIAGNOSTIC_CODES)[number]

export type Severity = 'error' | 'warning'

/** One mistake (or warning) in routes.toml, with where it is and how to mend it. */
export interface Diagnostic {
  readonly severity: Severity
  readonly code: DiagnosticCode
  /** What is wrong, one sentence. */
  readonly message: string
  /** How to mend it; empty where the message says it all. */
  readonly hint: string
  /** Dotted path of the key: `portals.home.roles`, `routes[2].upstream`. */
  readonly path: string
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based, in characters (code points). */
  readonly column: number
  /** How many characters the caret underlines; at least 1. */
  readonly length: number
}
