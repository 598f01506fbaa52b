import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkConfig } from '../../../src/config/check.ts'
import { type Identity, makeIdentity } from '../../../src/identity/identity.ts'
import { explain } from '../../../src/server/preview/explain.ts'
import { imported } from '../imported.ts'
import { caddyJson } from './caddy-json.ts'

/** A condition by the field that it asks for, with the values of which any is enough; none: that there is such a field. */
interface Condition {
  readonly field: 'roles' | 'sub' | 'email' | 'name' | 'realm' | 'org' | 'method' | 'path' | 'any'
  readonly values: readonly string[]
  readonly manner: 'exact' | 'partial' | 'prefix' | 'suffix' | 'regex'
  /** That it has another value. */
  readonly isNegative: boolean
  /** That there is no such field. */
  readonly isAbsent: boolean
}

interface Rule {
  readonly isAllowed: boolean
  readonly isAny: boolean
  readonly isFinal: boolean
  readonly conditions: readonly Condition[]
}

type Data = Readonly<Record<string, readonly string[]>>

const VALUES: Readonly<Record<Condition['field'], readonly string[]>> = {
  roles: ['a', 'b', 'x/y', 'guest', 'x', '^(a|b)$', 'y$'],
  sub: ['ada', 'bob', 'b', '^.*a'],
  email: ['ada@x.test', 'bob@x.test', '@x.test', 'Ada', 'd', '^[^@]+@x\\.test$', '(?i)^ADA@'],
  name: ['Ada', 'b', 'x.test', '^(Ada|Bob)$'],
  realm: ['home', 'elsewhere', 'h', 'e$'],
  org: ['acme'],
  method: ['GET', 'DELETE', 'E', '^(GET|HEAD)$'],
  path: ['/p', 'p', '^/p$'],
  any: [],
}

/** Whether a condition holds for data; one that is about a field's being there, whether it is. */
function holds({ field, values, manner, isNegative, isAbsent }: Condition, data: Data): boolean {
  // What every token is thought to have, and none has.
  if (field === 'any') return false
  const own = data[field]
  if (values.length === 0) return (own === undefined) === isAbsent
  if (own === undefined) return false
  const isAs = (value: string, stated: string) =>
    ({
      exact: () => value === stated,
      partial: () => value.includes(stated),
      prefix: () => value.startsWith(stated),
      suffix: () => value.endsWith(stated),
      regex: () => new RegExp(stated.replace('(?i)', ''), stated.startsWith('(?i)') ? 'i' : '').test(value),
    })[manner]()
  // An address is the same one in any letter case here, which is not so there.
  const fold = (text: string) => (field === 'email' ? text.toLowerCase() : text)
  return own.some(value => values.some(stated => isAs(fold(value), fold(stated)))) !== isNegative
}

/** What go-authcrunch makes of a list: a denial is the end of it, and so is an allow with stop. */
function passes(rules: readonly Rule[], data: Data): boolean {
  let isGranted = false
  for (const { isAllowed, isAny, isFinal, conditions } of rules) {
    const held = conditions.filter(condition => holds(condition, data)).length
    // Whichever is enough, all that have to be there, or not to be, have to.
    const isOut = conditions.some(one => one.values.length === 0 && one.field !== 'any' && !holds(one, data))
    const found = conditions.some(one => one.values.length === 0 && !one.isAbsent && holds(one, data))
    const others = conditions.some(one => one.values.length > 0 && holds(one, data))
    if (isAny && conditions.length > 1 ? isOut || !(found || others) : held < conditions.length) continue
    if (!isAllowed) return false
    if (isFinal) return true
    isGranted = true
  }
  return isGranted
}

function write({ isAllowed, isAny, isFinal, conditions }: Rule) {
  const action = isAllowed ? 'allow' : 'deny'
  return {
    conditions: conditions.map(({ field, values, manner, isNegative, isAbsent }) =>
      field !== 'any' && values.length === 0
        ? `field ${field} ${isAbsent ? 'not exists' : 'exists'}`
        : `${isNegative ? 'no ' : ''}${manner === 'exact' ? '' : `${manner} `}match ${field} ${values.join(' ')}`.trimEnd(),
    ),
    action: `${action}${isAny && conditions.length > 1 ? ' any' : ''}${isFinal ? ' stop' : ''} log debug`,
  }
}

const ISSUER = 'https://id.example.com'

function person(sub: string, groups: readonly string[], more: Readonly<Record<string, unknown>> = {}): Identity {
  return makeIdentity('p', ISSUER, sub, { email: `${sub}@x.test`, email_verified: true, groups, ...more })
}

const PEOPLE: readonly (readonly [identity: Identity, roles: readonly string[]])[] = [
  [person('ada', ['a']), ['a']],
  [person('bob', ['b']), ['b']],
  [person('cyd', ['a', 'b']), ['a', 'b']],
  [person('dan', []), ['anonymous', 'guest']],
  [person('eli', ['x/y']), ['x/y']],
  [person('fay', ['c'], { role: 'a' }), ['c', 'a']],
  [person('gus', ['c'], { realm_access: { roles: ['b'] } }), ['c', 'b']],
  [person('Ada', ['c'], { email: 'Ada@x.test', name: 'Ada' }), ['c']],
  [person('hal', ['zb', 'xy'], { email: 'hal@notx.test', name: 'hal@notx.test b' }), ['zb', 'xy']],
  [person('ida', ['c'], { name: 'ida@x.test' }), ['c']],
]

const MANNERS = ['exact', 'partial', 'prefix', 'suffix', 'regex'] as const

const condition = (fields: readonly Condition['field'][]) =>
  fc.constantFrom(...fields).chain(field =>
    fc.record({
      field: fc.constant(field),
      values: fc.oneof(
        { weight: 5, arbitrary: fc.subarray([...VALUES[field]], { minLength: Math.min(1, VALUES[field].length) }) },
        { weight: 1, arbitrary: fc.constant(field === 'method' || field === 'path' ? [...VALUES[field]] : []) },
      ),
      manner: fc.constantFrom<Condition['manner']>(...MANNERS),
      isNegative: fc.constantFrom(...(field === 'any' ? [false] : [false, false, true])),
      isAbsent: fc.boolean(),
    }),
  )

const listed: fc.Arbitrary<Rule> = fc.record({
  isAllowed: fc.boolean(),
  isAny: fc.boolean(),
  isFinal: fc.boolean(),
  conditions: fc.uniqueArray(condition(['roles', 'sub', 'email', 'name', 'realm', 'org', 'method', 'path', 'any']), {
    minLength: 1,
    maxLength: 3,
    selector: ({ field }) => field,
  }),
})

test('whoever passes what is made of an access list passed that list', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(listed, { minLength: 1, maxLength: 5 }), fc.boolean(), async (rules, seesRequests) => {
      const text = caddyJson({
        routes: [
          {
            match: [{ host: ['app.example.com'] }],
            handle: [
              { handler: 'authentication', providers: { authorizer: { gatekeeper_name: 'users' } } },
              { handler: 'reverse_proxy', upstreams: [{ dial: 'app:1' }] },
            ],
          },
        ],
        policy: { access_list_rules: rules.map(write), validate_method_path: seesRequests },
        portal: { user_transformer_configs: [] },
      })
      const { routes, unset } = await imported(text)
      const result = checkConfig(routes, {
        file: 'routes.toml',
        env: name => (unset.some(blank => blank.name === name) ? 'fill-in' : undefined),
        readText: () => '',
        readBytes: () => new Uint8Array(),
      })
      if (!result.ok) throw new Error(JSON.stringify(result.diagnostics))
      for (const [identity, roles] of PEOPLE) {
        for (const method of ['GET', 'HEAD', 'DELETE']) {
          for (const path of ['/', '/p', '/pp/x']) {
            const facts = { method, client: '192.0.2.1', nowMs: 0, signedInAtMs: 0 }
            const { verdict } = explain(result.config, {
              url: new URL(`https://app.example.com${path}`),
              identity,
              facts,
            })
            if (verdict !== 'allow') continue
            const { subject } = identity
            const email = identity.email ?? ''
            const name = identity.name === null ? {} : { name: [identity.name.replaceAll(email, '').trim()] }
            const own = { roles, sub: [subject], email: [email], ...name }
            const data: Data = seesRequests ? { ...own, method: [method], path: [path] } : own
            expect([subject, method, path, passes(rules, data)]).toEqual([subject, method, path, true])
          }
        }
      }
    }),
    { numRuns: 100 },
  )
}, 300_000)
