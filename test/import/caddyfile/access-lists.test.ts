import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { explain } from '../../../src/cli/explanation.ts'
import { checkConfig } from '../../../src/config/check.ts'
import { type Identity, makeIdentity } from '../../../src/identity/identity.ts'
import { imported } from '../imported.ts'

/** A condition by the field that it asks for, with the values of which any is enough; none: that there is such a field. */
interface Condition {
  readonly field: 'roles' | 'sub' | 'email' | 'realm' | 'org' | 'method' | 'path' | 'any'
  readonly values: readonly string[]
}

interface Rule {
  readonly isAllowed: boolean
  readonly isAny: boolean
  readonly isFinal: boolean
  readonly conditions: readonly Condition[]
  /** Written in one line: `allow roles a with get`. */
  readonly isShort: boolean
}

type Data = Readonly<Record<string, readonly string[]>>

const VALUES: Readonly<Record<Condition['field'], readonly string[]>> = {
  roles: ['a', 'b', 'x/y'],
  sub: ['ada', 'bob'],
  email: ['ada@x.test', 'bob@x.test'],
  realm: ['home', 'elsewhere'],
  org: ['acme'],
  method: ['GET', 'DELETE'],
  path: ['/p'],
  any: [],
}

function holds({ field, values }: Condition, data: Data): boolean {
  // What every token is thought to have, and none has.
  if (field === 'any') return false
  const own = data[field]
  return own !== undefined && (values.length === 0 || own.some(value => values.includes(value)))
}

/** What go-authcrunch makes of a list: a denial is the end of it, and so is an allow with stop. */
function passes(rules: readonly Rule[], data: Data): boolean {
  let isGranted = false
  for (const { isAllowed, isAny, isFinal, conditions } of rules) {
    const held = conditions.filter(condition => holds(condition, data)).length
    if (isAny ? held === 0 : held < conditions.length) continue
    if (!isAllowed) return false
    if (isFinal) return true
    isGranted = true
  }
  return isGranted
}

/** Whether methods and paths are looked at at all. */
function seesRequests(rules: readonly Rule[]): boolean {
  return rules.some(
    ({ isShort, conditions }) => isShort && conditions.some(({ field }) => field === 'method' || field === 'path'),
  )
}

function write({ isAllowed, isAny, isFinal, conditions, isShort }: Rule): string {
  const action = isAllowed ? 'allow' : 'deny'
  if (isShort) {
    const [first, second] = conditions
    const values = first?.values.length === 0 ? ['any'] : (first?.values ?? [])
    const tail =
      second === undefined
        ? ''
        : second.field === 'method'
          ? ` with ${second.values[0]?.toLowerCase()}`
          : ` to ${second.values[0]}`
    return `${action} ${first?.field} ${values.join(' ')}${tail}\n`
  }
  const lines = conditions.map(({ field, values }) =>
    field !== 'any' && values.length === 0 ? `field ${field} exists` : `match ${field} ${values.join(' ')}`,
  )
  return `acl rule {\n${lines.join('\n')}\n${action}${isAny && conditions.length > 1 ? ' any' : ''}${isFinal ? ' stop' : ''}\n}\n`
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
]

const condition = (fields: readonly Condition['field'][]) =>
  fc.constantFrom(...fields).chain(field =>
    fc.record({
      field: fc.constant(field),
      values: fc.oneof(
        { weight: 5, arbitrary: fc.subarray([...VALUES[field]], { minLength: Math.min(1, VALUES[field].length) }) },
        { weight: 1, arbitrary: fc.constant(field === 'method' || field === 'path' ? [...VALUES[field]] : []) },
      ),
    }),
  )

const long: fc.Arbitrary<Rule> = fc.record({
  isAllowed: fc.boolean(),
  isAny: fc.boolean(),
  isFinal: fc.boolean(),
  conditions: fc.uniqueArray(condition(['roles', 'sub', 'email', 'realm', 'org', 'method', 'path', 'any']), {
    minLength: 1,
    maxLength: 3,
    selector: ({ field }) => field,
  }),
  isShort: fc.constant(false),
})

const short: fc.Arbitrary<Rule> = fc.record({
  isAllowed: fc.boolean(),
  isAny: fc.constant(false),
  isFinal: fc.constant(false),
  conditions: fc
    .tuple(
      condition(['roles', 'sub', 'email', 'realm', 'org']),
      fc.option(fc.constantFrom<Condition>({ field: 'method', values: ['GET'] }, { field: 'path', values: ['/p'] }), {
        nil: null,
      }),
    )
    .map(([one, other]) => (other === null ? [one] : [one, other])),
  isShort: fc.constant(true),
})

test('whoever passes what is made of an access list passed that list', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(long, short), { minLength: 1, maxLength: 5 }), async rules => {
      const text = `{
 security {
  oauth identity provider p {
   realm home
   client_id a
   base_auth_url ${ISSUER}
  }
  authentication portal home {
   enable identity provider p
  }
  authorization policy users {
${rules.map(write).join('')}  }
 }
}
app.example.com {
 authorize with users
 reverse_proxy app:1
}
`
      const { routes, unset } = await imported(text, ['--from', 'caddyfile'])
      const result = checkConfig(routes, {
        file: 'routes.toml',
        env: name => (unset.some(blank => blank.name === name) ? 'fill-in' : undefined),
        readText: () => '',
        readBytes: () => new Uint8Array(),
      })
      if (!result.ok) throw new Error(JSON.stringify(result.diagnostics))
      for (const [identity, roles] of PEOPLE) {
        for (const method of ['GET', 'HEAD', 'DELETE']) {
          for (const path of ['/', '/p']) {
            const facts = { method, client: '192.0.2.1', nowMs: 0, signedInAtMs: 0 }
            const { verdict } = explain(result.config, {
              url: new URL(`https://app.example.com${path}`),
              identity,
              facts,
            })
            if (verdict !== 'allow') continue
            const { subject } = identity
            const own = { roles, sub: [subject], email: [`${subject}@x.test`], realm: ['home'] }
            const data: Data = seesRequests(rules) ? { ...own, method: [method], path: [path] } : own
            expect([subject, method, path, passes(rules, data)]).toEqual([subject, method, path, true])
          }
        }
      }
    }),
    { numRuns: 300 },
  )
})
