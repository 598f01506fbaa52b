/** What a condition of a rule may look at, and what it answers. */

import type { Identity } from '../identity/identity.ts'
import type { AskedPath } from './path-patterns.ts'
import type { Missing } from './reasons.ts'
import type { Truth } from './truth.ts'

/** What a decision depends on, apart from the user. */
export interface Facts {
  /** Upper-case; null where any may follow. */
  readonly method: string | null
  /** The client's address; null where it is not known for certain. */
  readonly client: string | null
  /** What is asked for; null where that is not known. */
  readonly target: AskedPath | null
  /** The request's fields by their names in small letters; null where they are not known. */
  readonly sent: Readonly<Record<string, string>> | null
  readonly nowMs: number
  /** When this user signed in here; null without a user. */
  readonly signedInAtMs: number | null
}

/** What of the facts a rule looks at. Where it is nothing, one decision serves all requests of a session. */
export interface Needs {
  readonly client: boolean
  /** Its fields or its query. */
  readonly fields: boolean
  readonly method: boolean
  readonly path: boolean
  readonly time: boolean
}

/** About who asks: the same for as long as the provider's word stands. */
export interface PersonCondition {
  readonly kind: 'person'
  /** Whether e-mail addresses have a part in it, so that it matters who answers for them. */
  readonly isAboutEmail: boolean
  /** Why it does not hold for a user; null without a user. */
  missing(identity: Identity | null): Missing
  judge(identity: Identity): Truth
}

/** About how they signed in: a new sign-in can change it. */
export interface SignInCondition {
  readonly kind: 'sign-in'
  readonly missing: Missing
  readonly needs: Needs
  /** What a new sign-in would have to show. */
  readonly demand:
    | { readonly maxAgeS: number }
    | { readonly acr: readonly string[] }
    | { readonly amr: readonly string[] }
  judge(identity: Identity, facts: Facts): Truth
}

/** About the request: anyone's. */
export interface RequestCondition {
  readonly kind: 'request'
  readonly needs: Needs
  judge(facts: Facts): Truth
  /** Why it does not hold. */
  missing(facts: Facts): Missing
}

export type Condition = PersonCondition | SignInCondition | RequestCondition

export const NOTHING: Needs = Object.freeze({
  client: false,
  fields: false,
  method: false,
  path: false,
  time: false,
})

/** For policies that look at no facts. */
export const NO_FACTS: Facts = Object.freeze({
  method: '',
  client: null,
  target: null,
  sent: null,
  nowMs: Number.NaN,
  signedInAtMs: null,
})
