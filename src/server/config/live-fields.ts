/** Identity fields that change during a session: assertions and tokens of the provider. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Ports } from '../../base/ports.ts'
import type { AssertionConfig } from '../../config/keys/assertion.ts'
import type { PassedToken } from '../../config/keys/pass-token.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { RouteConfig } from '../../config/resolve/routes.ts'
import type { Told } from '../../portal/portal-request.ts'
import { type Fields, MAX_VALUE_BYTES } from '../../proxy/fields/identity.ts'
import { isSignIn } from '../../session/credentials/credential-sessions.ts'
import type { OpenSessions } from '../../session/open.ts'
import type { Sealer } from '../../session/seal.ts'
import type { Session } from '../../session/session.ts'
import { ASSERTION_LIFETIME_S, makeAssertion } from '../../session/signing/assertion.ts'
import type { SigningKey } from '../../session/signing/keys.ts'

/** Fields of one session on one route that change while it lasts: a promise only where something has to be read or asked for first. */
export type LiveFields = () => MaybePromise<Fields>

/** What such fields are made from. */
export interface LiveFieldTools {
  readonly ports: Pick<Ports, 'now' | 'log'>
  readonly sessions: Pick<OpenSessions, 'signing' | 'providerTokens'>
  readonly seal: Pick<Sealer, 'mark'>
}

type MakeField = () => MaybePromise<string | null>

/** An assertion that goes out is good for at least the rest of its lifetime. */
const RENEW_AFTER_MS = (ASSERTION_LIFETIME_S - 60) * 1000

/** The names of such fields, in lower case. */
export function liveFieldNames({ assertion, passTokens }: RouteConfig): readonly string[] {
  const names = passTokens.map(({ header }) => header)
  return assertion === null ? names : [assertion.header, ...names]
}

/** The fields of a route about one user that change during a session; null for none. */
export function makeLiveFields(
  route: RouteConfig,
  portal: PortalConfig,
  session: Session,
  told: Told,
  tools: LiveFieldTools,
): LiveFields | null {
  const makers: [name: string, make: MakeField][] = []
  const tooLong = new Set<string>()
  const { assertion, passTokens } = route
  if (assertion !== null) {
    const issuer = assertion.issuer ?? originOf(route, portal)
    makers.push([assertion.header, asserter({ ...assertion, issuer }, session, told, tools)])
  }
  // No user signed in for a program, so there are no provider tokens.
  if (isSignIn(session)) for (const token of passTokens) makers.push([token.header, carrier(token, session, tools)])
  if (makers.length === 0) return null
  return () => {
    const values = makers.map(([, make]) => make())
    return values.every(isSettled) ? fieldsOf(values) : Promise.all(values).then(fieldsOf)
  }

  function fieldsOf(values: readonly (string | null)[]): Fields {
    const made: [string, string][] = []
    for (const [index, [name]] of makers.entries()) {
      const value = values[index] ?? null
      if (value === null) continue
      if (value.length <= MAX_VALUE_BYTES) made.push([name, name === 'authorization' ? `Bearer ${value}` : value])
      else if (!tooLong.has(name)) {
        tooLong.add(name)
        tellTooLong(route, session, name, tools)
      }
    }
    return made
  }
}

function isSettled(value: MaybePromise<string | null>): value is string | null {
  return !(value instanceof Promise)
}

/** Signs once, and again before that one expires; a clock that was set back also causes a new one. */
function asserter(
  { issuer, audience }: AssertionConfig & { readonly issuer: string },
  { expiresAtMs: sessionExpiresAtMs }: Session,
  { identity, roles }: Told,
  { ports, sessions }: LiveFieldTools,
): MakeField {
  const claims = { issuer, audience, identity, roles, sessionExpiresAtMs }
  let text = ''
  let madeAtMs = Number.NEGATIVE_INFINITY
  function make(key: SigningKey): string {
    madeAtMs = ports.now()
    text = makeAssertion(key, claims, madeAtMs)
    return text
  }
  return () => {
    const ageMs = ports.now() - madeAtMs
    if (ageMs >= 0 && ageMs < RENEW_AFTER_MS) return text
    const key = sessions.signing.current()
    return key instanceof Promise ? key.then(make) : make(key)
  }
}

function carrier({ kind }: PassedToken, session: Session, { sessions }: LiveFieldTools): MakeField {
  return () => sessions.providerTokens.find(session, kind)
}

/** Said once for each sign-in, route and field. */
export function tellTooLong({ id }: RouteConfig, { identity }: Session, name: string, tools: LiveFieldTools): void {
  tools.ports.log.warn('A field about a person is too long to be sent, and was left out', {
    route: id,
    user: identity.subject,
    field: name,
    hint: `no server takes more than ${MAX_VALUE_BYTES} bytes for sure: have the provider send fewer groups or claims`,
  })
}

/** Where a portal's keys are found: its own address, or the host that it is mounted on. */
function originOf({ host }: RouteConfig, { url, insecureCookies }: PortalConfig): string {
  if (url !== null) return `${url.scheme}://${url.authority}`
  return `${insecureCookies ? 'http' : 'https'}://${host}`
}
