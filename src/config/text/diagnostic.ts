/**
 * What a check reports about a file: diagnostics with their codes, and refusals, which become diagnostics once they
 * have a place.
 */

/**
 * Every code that a Diagnostic can carry. Codes are API for scripts: they are never renamed.
 *
 * The list is closed, and each has at least one case in `test/config/check.test.ts`.
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
  'include.pattern',
  'include.table',
  'name.invalid',
  'text.empty',
  'text.control',
  'secret.placeholder',
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
  'log.place',
  'telemetry.endpoint',
  'outgoing.proxy',
  'workers.unshared',
  'tls.certificates',
  'tls.acme',
  'tls.acme_store',
  'tls.external_account',
  'tls.dns',
  'tls.file',
  'tls.pem',
  'tls.pair',
  'tls.names',
  'tls.expiry',
  'tls.uncovered',
  'network.invalid',
  'network.everyone',
  'network.missing',
  'network.trusted',
  'store.invalid',
  'store.file',
  'store.memory',
  'store.pair',
  'store.pem',
  'store.scheme',
  'sessions.idle',
  'sessions.replicas',
  'sessions.key',
  'sessions.remember',
  'sessions.refresh_limit',
  'issuer.invalid',
  'issuer.insecure',
  'client_auth.secret',
  'client_auth.several',
  'access_tokens.audience',
  'access_tokens.client_audience',
  'access_tokens.introspect',
  'id_token_alg.refused',
  'scim.token',
  'scopes.openid',
  'authorize_params.reserved',
  'provider.undefined',
  'provider.unused',
  'provider.emails',
  'provider.id_tokens',
  'provider.kind',
  'provider.internal_url',
  'provider.file',
  'provider.pem',
  'provider.users',
  'provider.totp',
  'provider.users_twice',
  'provider.totp_beside',
  'provider.passwords',
  'server.edit',
  'portal.undefined',
  'portal.unused',
  'portal.missing',
  'portal.url',
  'portal.host_taken',
  'portal.insecure',
  'portal.port',
  'portal.bind_sessions',
  'portal.insecure_cookies',
  'portal.shared_host',
  'portal.several_hosts',
  'portal.callback',
  'portal.compat',
  'portal.guest_links',
  'portal.requests',
  'portal.members',
  'webhook.invalid',
  'portal.bind_tickets',
  'portal.colour',
  'portal.contact',
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
  'pattern.invalid',
  'expression.invalid',
  'expression.many',
  'ignore_case.unused',
  'members.public',
  'members.request',
  'rule.written',
  'rule.front',
  'path.reserved',
  'route.none',
  'route.duplicate',
  'route.case',
  'route.redundant',
  'route.slash',
  'files.cache_control',
  'shared_caches.needed',
  'allow.mixed',
  'deny.everyone',
  'deny.signed_out',
  'rule.empty',
  'rule.pattern',
  'rule.providers',
  'identity.providers',
  'provider.prefix',
  'rule.subjects',
  'rule.users',
  'rule.unstated',
  'audit.keep',
  'log.unused',
  'rule.step_up',
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
  'upstream.self',
  'upstream.hash',
  'upstream.basic_auth',
  'upstream.scheme',
  'upstream.file',
  'upstream.pem',
  'upstream.pair',
  'upstream.insecure',
  'method.invalid',
  'one_label.host',
  'strip_prefix.mismatch',
  'cookie_path.unused',
  'keep_posts.unused',
  'keep_fragment.unused',
  'route.target',
  'route.verify',
  'verify.unused',
  'redirect.invalid',
  'files.missing',
  'respond.body',
  'origin.host',
  'origin.invalid',
  'header.name',
  'header.owned',
  'header.repeated',
  'header.template',
  'assertion.issuer',
  'expect.address',
  'expect.ip',
  'expect.broken',
] as const

export type DiagnosticCode = (typeof DIAGNOSTIC_CODES)[number]

export type Severity = 'error' | 'warning'

/** One mistake (or warning) in routes.toml, with its place and how to fix it. */
export interface Diagnostic {
  readonly severity: Severity
  readonly code: DiagnosticCode
  /** What is wrong, one sentence. */
  readonly message: string
  /** How to fix it; empty where the message says it all. */
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

/** Why a text is not what its key takes. */
export interface Refusal {
  readonly ok: false
  readonly code: DiagnosticCode
  readonly message: string
  /** Empty where the message says it all. */
  readonly hint: string
  /** The part of the text that the caret should underline; null for all of it. */
  readonly mark: string | null
}

/** A checked value, or why there is none. Mistakes in the file are values here, so that all of them can be collected. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | Refusal

/** A checked value. */
export function good<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** A refusal; `mark` narrows the caret to a part of the text. */
export function bad(code: DiagnosticCode, message: string, hint = '', mark: string | null = null): Refusal {
  return { ok: false, code, message, hint, mark }
}
