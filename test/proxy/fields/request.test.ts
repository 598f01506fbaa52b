import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { GateError } from '../../../src/base/errors.ts'
import { foldFieldName } from '../../../src/config/values/headers.ts'
import { compileFieldFates, PRESETS } from '../../../src/proxy/fields/names.ts'
import { changeRequestFields, type FieldContext } from '../../../src/proxy/fields/request.ts'
import { parseTarget } from '../../../src/route/target.ts'

const CONTEXT: FieldContext = {
  target: parseTarget('GET', 'http://app.example:8443/', 'app.example:8443'),
  fateOf: compileFieldFates(['X-My-User']),
  identityFields: [['x-token-subject', 'ada']],
  peer: '203.0.113.9',
  client: '203.0.113.9',
  isPeerTrusted: false,
  clientField: 'x-forwarded-for',
  scheme: 'https',
  port: '8443',
  prefix: '',
  requestId: 'r1',
  pseudonym: 'sallyport-test',
  cookies: null,
  checksMethod: false,
}

function forwards(sent: Record<string, string>, context: Partial<FieldContext> = {}): Record<string, string> {
  const headers = new Headers(sent)
  changeRequestFields(headers, headers.toJSON(), { ...CONTEXT, ...context })
  return headers.toJSON()
}

test('end-to-end fields pass as they are', () => {
  const sent = {
    accept: 'text/html',
    'accept-encoding': 'br',
    range: 'bytes=0-1',
    'if-none-match': '"x"',
    authorization: 'Bearer t',
    'x-custom': 'é',
  }
  expect(forwards(sent)).toMatchObject(sent)
})

describe('RFC 9110 §7.6.1', () => {
  test('hop-by-hop fields end here', () => {
    const made = forwards({
      'keep-alive': '1',
      'proxy-authorization': 'x',
      trailer: 'y',
      upgrade: 'h2c',
      'http2-settings': 'z',
      te: 'gzip',
      'proxy-connection': 'a',
    })
    for (const name of [
      'keep-alive',
      'proxy-authorization',
      'trailer',
      'upgrade',
      'http2-settings',
      'te',
      'proxy-connection',
    ]) {
      expect([name, made[name]]).toEqual([name, undefined])
    }
  })
  test('a field named by Connection is not forwarded', () => {
    expect(forwards({ connection: 'keep-alive, X-Secret', 'x-secret': '1' })['x-secret']).toBeUndefined()
  })
  test('Connection cannot name away what the proxy adds', () => {
    const made = forwards({ connection: 'x-token-subject, x-forwarded-for, x-forwarded-proto, via, host' })
    expect(made).toMatchObject({
      'x-token-subject': 'ada',
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      host: 'app.example:8443',
    })
  })
  test('Connection that is no list of names is refused', () => {
    expect(() => forwards({ connection: 'a b' })).toThrow(GateError)
  })
})

test('RFC 9110 §10.1.4: of TE only trailers passes', () => {
  expect(forwards({ te: 'gzip, trailers' }).te).toBe('trailers')
  expect(forwards({ te: 'notrailers' }).te).toBeUndefined()
})

describe('RFC 9110 §7.6.3: Via', () => {
  test('is continued', () => expect(forwards({ via: '1.0 fred' }).via).toBe('1.0 fred, 1.1 sallyport-test'))
  test('with our own name is a loop', () => {
    expect(() => forwards({ via: '1.1 sallyport-test' })).toThrow('came back')
  })
})

describe('what an untrusted client says of itself', () => {
  const lies = {
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
    forwarded: 'for=10.0.0.1',
    'x-real-ip': '10.0.0.1',
    'x-original-url': '/admin',
    'x-rewrite-url': '/admin',
    'x-request-id': 'forged',
    x_forwarded_for: '10.0.0.1',
  }
  test('is overwritten or dropped', () => {
    const made = forwards(lies)
    expect(made).toMatchObject({
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-host': 'app.example:8443',
      'x-forwarded-proto': 'https',
      'x-request-id': 'r1',
      forwarded: 'for=203.0.113.9;host="app.example:8443";proto=https',
    })
    expect(JSON.stringify(made)).not.toMatch(/10\.0\.0\.1|admin|evil|forged/)
  })
  test('is continued behind a trusted proxy', () => {
    const made = forwards({ 'x-forwarded-for': '198.51.100.7' }, { isPeerTrusted: true, client: '198.51.100.7' })
    expect(made['x-forwarded-for']).toBe('198.51.100.7, 203.0.113.9')
    expect(made.forwarded).toStartWith('for=198.51.100.7;')
  })
  test('is written anew behind a trusted proxy that says it in another field', () => {
    const fateOf = compileFieldFates([], [], 'x-my-client')
    const behind = { isPeerTrusted: true, clientField: 'x-my-client', client: '198.51.100.7', fateOf }
    const sent = { ...lies, 'x-my-client': '198.51.100.7', x_my_client: '10.0.0.1', 'http-x-my-client': '10.0.0.1' }
    const made = forwards(sent, behind)
    expect(made).toMatchObject({ 'x-forwarded-for': '198.51.100.7, 203.0.113.9', 'x-real-ip': '198.51.100.7' })
    expect(Object.keys(made).map(foldFieldName)).not.toContain('x-my-client')
    expect(JSON.stringify(made)).not.toContain('10.0.0.1')
    const unknown = forwards(sent, { ...behind, client: null })
    expect(unknown).toMatchObject({ 'x-forwarded-for': '203.0.113.9' })
    expect(unknown.forwarded).toStartWith('for=unknown;')
    expect(JSON.stringify(unknown)).not.toContain('10.0.0.1')
    expect(unknown['x-real-ip']).toBeUndefined()
  })
  test('goes on in a field that is trusted for itself, from the proxy alone', () => {
    const fateOf = compileFieldFates([], ['cf-connecting-ip'], 'cf-connecting-ip')
    const sent = { 'cf-connecting-ip': '198.51.100.7' }
    const behind = { clientField: 'cf-connecting-ip', fateOf }
    expect(forwards(sent, { ...behind, isPeerTrusted: true })['cf-connecting-ip']).toBe('198.51.100.7')
    expect(forwards(sent, behind)['cf-connecting-ip']).toBeUndefined()
  })
  test('RFC 7239 §6: an IPv6 address stands in quotes and brackets', () => {
    expect(forwards({}, { client: '2001:db8::1' }).forwarded).toContain('for="[2001:db8::1]"')
  })
})

describe('a forged identity', () => {
  const names = [
    ...Object.values(PRESETS)
      .flat()
      .map(field => field.name),
    'x-my-user',
    'x-auth-request-access-token',
  ]
  test.each(names)('in %s is dropped in every spelling', name => {
    const spellings = [
      name,
      name.toUpperCase(),
      name.replaceAll('-', '_'),
      name.replaceAll('-', '.'),
      name.replace('-', '_'),
    ]
    for (const spelling of spellings) {
      const made = forwards({ [spelling]: 'mallory' }, { identityFields: [] })
      expect([spelling, Object.values(made).includes('mallory')]).toEqual([spelling, false])
    }
  })
  test('never survives, whatever mixture of case and separators spells it', () => {
    const spelled = fc.constantFrom(...names).chain(name =>
      fc
        .array(fc.tuple(fc.boolean(), fc.constantFrom('-', '_', '.')), {
          minLength: name.length,
          maxLength: name.length,
        })
        .map(choices =>
          [...name]
            .map((character, index) =>
              character === '-'
                ? (choices[index]?.[1] ?? '-')
                : choices[index]?.[0]
                  ? character.toUpperCase()
                  : character,
            )
            .join(''),
        ),
    )
    fc.assert(
      fc.property(spelled, spelling => {
        const made = forwards({ [spelling]: 'mallory' }, { identityFields: [] })
        expect(Object.keys(made).map(foldFieldName)).not.toContain(foldFieldName(spelling))
      }),
    )
  })
  test('gives way to the real one', () =>
    expect(forwards({ 'X-Token-Subject': 'mallory' })['x-token-subject']).toBe('ada'))
})

test('framing fields in a spelling that a backend may fold are dropped', () => {
  const made = forwards({ content_length: '5', 'transfer.encoding': 'chunked', host_: 'x' })
  expect(Object.keys(made)).not.toContain('content_length')
  expect(Object.keys(made)).not.toContain('transfer.encoding')
})

test('our cookies stay here, the others pass', () => {
  expect(forwards({ cookie: 'a=1; __Host-sallyport=t; b=2' }).cookie).toBe('a=1; b=2')
  expect(forwards({ cookie: 'sallyport=t' }).cookie).toBeUndefined()
  expect(forwards({ cookie: 'theme=dark' }).cookie).toBe('theme=dark')
})

test('a method override is dropped where the route checks methods', () => {
  const override = { 'x-http-method-override': 'DELETE' }
  expect(forwards(override, { checksMethod: true })['x-http-method-override']).toBeUndefined()
  expect(forwards(override)['x-http-method-override']).toBe('DELETE')
})
