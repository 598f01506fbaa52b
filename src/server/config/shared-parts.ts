import type { ProviderConfig } from '../../config/types/providers.ts'
import type { OwnAnswer, RouteConfig } from '../../config/types/routes.ts'
import { NO_FACTS } from '../../policy/condition.ts'
import { compilePolicy, decideAccess, type Policy } from '../../policy/policy.ts'
import type { Roles } from '../../policy/roles.ts'
import { compileOwnAddresses } from '../../proxy/fields/addresses.ts'
import { compileIdentityFields } from '../../proxy/fields/identity.ts'
import { type AnswerBounds, compileBounds } from '../../proxy/fields/response.ts'
import { bindRules, NOBODY } from '../../proxy/fields/rules.ts'
import { type Answering, compileAnswer } from '../../proxy/local/answer.ts'
import { createCompressor } from '../../proxy/local/compressor.ts'
import type { UpstreamPool } from '../../proxy/upstream/upstream.ts'
import type { GatePortal, Prepared } from './snapshot.ts'

/**
 * Parts of routes, each compiled once for all routes of a snapshot for which it is the same.
 *
 * That is found out by identity: parts of a Config that say the same are one (`createShared`). Dies with the compilation.
 */
export interface SharedParts {
  policy(route: RouteConfig, roles: Roles | null, isChosenByMethod: boolean): Policy
  readonly upstream: UpstreamPool['upstream']
  /** How a route without an upstream answers. */
  answering(answer: OwnAnswer, isForAll: boolean): Answering
  readonly identityFields: typeof compileIdentityFields
  /** How far its answers reach; `isPrivate`: into no shared cache. */
  bounds(route: RouteConfig, isPrivate: boolean): AnswerBounds
  issuers(portal: GatePortal): readonly ProviderConfig[] | null
  anonymous(
    policy: Policy,
    authorization: Prepared['authorization'],
    requestRules: RouteConfig['requestRules'],
    responseRules: RouteConfig['responseRules'],
  ): Prepared
}

/** Nothing is made yet; `issuersOf` answers null for a portal that takes no token of its providers. */
export function createSharedParts(
  pool: UpstreamPool,
  issuersOf: (portal: GatePortal) => readonly ProviderConfig[] | null,
): SharedParts {
  const policies = shared(
    (
      allow: RouteConfig['allow'],
      deny: RouteConfig['deny'],
      methods: RouteConfig['methods'],
      roles: Roles | null,
      isChosenByMethod: boolean,
    ): Policy => compilePolicy({ allow, deny, methods }, roles, isChosenByMethod),
  )
  const compressor = createCompressor()
  const ownAddresses = shared(compileOwnAddresses)
  const bounds = shared(compileBounds)
  return {
    policy: ({ allow, deny, methods }, roles, isChosenByMethod) =>
      policies(allow, deny, methods, roles, isChosenByMethod),
    upstream: shared(pool.upstream),
    answering: shared((answer: OwnAnswer, isForAll: boolean) => compileAnswer(answer, isForAll, compressor)),
    identityFields: shared(compileIdentityFields),
    bounds: ({ path, passFields, stripPrefix, addPrefix, hostHeader, rewritesLocation, cookiePath }, isPrivate) =>
      bounds(
        path,
        passFields,
        ownAddresses(stripPrefix, addPrefix, hostHeader, rewritesLocation, cookiePath === 'prefix'),
        isPrivate,
      ),
    issuers: shared(issuersOf),
    anonymous: shared((policy, authorization, requestRules, responseRules) =>
      Object.freeze({
        decision: policy.isStatic ? decideAccess(policy, null, NO_FACTS) : null,
        fields: NO_FIELDS,
        answerFields: NO_FIELDS,
        userMark: null,
        authorization,
        live: null,
        requestRules: bindRules(requestRules, NOBODY),
        responseRules: bindRules(responseRules, NOBODY),
      }),
    ),
  }
}

const NO_FIELDS: Prepared['fields'] = Object.freeze([])

/** Answers of a function by its arguments. */
interface Known<B> {
  readonly next: Map<unknown, Known<B>>
  made: { readonly value: B } | null
}

/** A function that is called once for the same arguments. */
function shared<Args extends readonly unknown[], B>(make: (...args: Args) => B): (...args: Args) => B {
  const begin: Known<B> = { next: new Map(), made: null }
  return (...args) => {
    let known = begin
    for (const arg of args) {
      let next = known.next.get(arg)
      if (next === undefined) {
        next = { next: new Map(), made: null }
        known.next.set(arg, next)
      }
      known = next
    }
    known.made ??= { value: make(...args) }
    return known.made.value
  }
}
