import { describe, expect, test } from 'bun:test'
import type { HeaderPreset } from '../../../src/config/values/headers.ts'
import { PRESETS } from '../../../src/proxy/fields/names.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers } from '../../kit/toml.ts'
import { httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

/** The head of every request that came through, as its bytes. */
const heads: string[] = []

const NAMES: readonly HeaderPreset[] = ['x-token', 'x-forwarded', 'x-auth-request', 'remote']

const keep = untilTheEnd()
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      const { raw } = await connection.receive({ until: got => got.includes('\r\n\r\n'), timeoutMs: 300_000 })
      heads.push(raw.toString('latin1'))
      await connection.send(Buffer.from(httpResponse(200, 'ok'), 'latin1'))
    }
  }),
)
const routes = NAMES.map(name => routeForUsers(upstream, `${name}.example`, `headers = "${name}"`))
const gate = keep(await startGate(`${PORTAL}\n${routes.join('\n')}`))

/** The identity fields that reached the upstream, and everything else that it was sent. */
async function told(preset: HeaderPreset, claims: Record<string, unknown>) {
  const { cookie } = await gate.signIn(`${preset}.example`, claims)
  const before = heads.length
  const head = `GET / HTTP/1.1\r\nHost: ${preset}.example\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`
  expect((await sendRaw(gate.port, Buffer.from(head, 'latin1'))).status).toBe(200)
  const [received = ''] = heads.slice(before)
  const fields: Record<string, string> = {}
  for (const { name, template } of PRESETS[preset]) {
    const found = [...received.matchAll(new RegExp(`^${name}: (.*)\\r$`, 'gim'))]
    expect(found.length).toBeLessThanOrEqual(1)
    const value = found[0]?.[1]
    if (value !== undefined) fields[template] = Buffer.from(value, 'latin1').toString('utf8')
  }
  return { fields, received }
}

describe.each(NAMES)('the preset %s', preset => {
  const ALL: Readonly<Record<string, string>> = {
    '{sub}': 'ada',
    '{name}': 'Ada',
    '{email}': 'ada@example.com',
    '{preferred_username}': 'ada.l',
    '{groups}': 'staff,ops',
    '{roles}': 'user',
  }
  const ADA = {
    sub: 'ada',
    name: 'Ada',
    email: 'ada@example.com',
    email_verified: true,
    preferred_username: 'ada.l',
    groups: ['staff', 'ops'],
  }
  const mine = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      PRESETS[preset].flatMap(({ template }) => {
        const value = values[template]
        return value === undefined ? [] : [[template, value] as const]
      }),
    )
  const without = (...templates: readonly string[]) =>
    mine(Object.fromEntries(Object.entries(ALL).filter(([template]) => !templates.includes(template))))

  test('tells what the provider said', async () => {
    expect((await told(preset, ADA)).fields).toEqual(mine(ALL))
  })

  test('tells text beyond ASCII as UTF-8, each byte as it is', async () => {
    const odd = { name: 'Zoë ☃ Ж', email: 'zoë@bücher.example', preferred_username: 'Жанна', groups: ['büro', '運用'] }
    const { fields } = await told(preset, { ...ADA, ...odd })
    const { name, email, preferred_username: user } = odd
    expect(fields).toEqual(
      mine({ ...ALL, '{name}': name, '{email}': email, '{preferred_username}': user, '{groups}': 'büro,運用' }),
    )
  })

  test('keeps every group whole: commas, percent signs, line breaks and outer white space make no other', async () => {
    const groups = ['a,admins', '50%', 'x\r\nadmins', ' admins', 'admins\t', 'admins\u00a0', 'a b']
    const { fields, received } = await told(preset, { ...ADA, groups })
    const list = fields['{groups}']
    expect(received).not.toMatch(/^admins/im)
    if (!PRESETS[preset].some(({ template }) => template === '{groups}')) return expect(list).toBeUndefined()
    const members = (list ?? '').split(',').map(member => member.trim())
    expect(members).not.toContain('admins')
    expect(members.map(decodeURIComponent)).toEqual(groups)
  })

  test.each([
    ['admins\r\nX-Evil: 1', 'admins%0D%0AX-Evil: 1'],
    ['admin\n', 'admin%0A'],
    ['\u0000admin', '%00admin'],
    ['admin ', 'admin%20'],
    ['\u00a0admin', '%C2%A0admin'],
    ['ad\tmin', 'ad%09min'],
  ])('tells a name of %j as %j, and never as another’s', async (odd, value) => {
    const { fields, received } = await told(preset, { ...ADA, preferred_username: odd, email: odd })
    expect(fields).toEqual(mine({ ...ALL, '{preferred_username}': value, '{email}': value }))
    expect(received).not.toMatch(/^x-evil/im)
  })

  test('has a display name on one line', async () => {
    const { fields, received } = await told(preset, { ...ADA, name: ' Ada\r\nX-Evil: 1\u0085 ' })
    expect(fields).toEqual(mine({ ...ALL, '{name}': 'Ada  X-Evil: 1' }))
    expect(received).not.toMatch(/^x-evil/im)
  })

  test('takes claims of another type for none', async () => {
    const odd = { name: ['Ada'], email: { a: 1 }, preferred_username: 7, groups: 'admins' }
    const { fields } = await told(preset, { ...ADA, ...odd })
    expect(fields).toEqual(without('{name}', '{email}', '{preferred_username}', '{groups}'))
    expect((await told(preset, { ...ADA, groups: ['a', 1, null, ['admins'], { b: 1 }, 'b'] })).fields).toEqual(
      mine({ ...ALL, '{groups}': 'a,b' }),
    )
  })

  test('cuts nothing: a value that is too long is left out, the rest goes, and the log says so', async () => {
    const groups = Array.from({ length: 2000 }, (_, index) => `group-${index}`)
    const email = `${'x'.repeat(16 * 1024)}@example.com`
    const name = 'n'.repeat(16 * 1024)
    const before = gate.log.length
    const { fields } = await told(preset, { ...ADA, groups, email, name })
    expect(fields).toEqual({ ...without('{groups}', '{email}'), ...mine({ '{name}': name }) })
    expect(gate.log.slice(before).join('\n')).toContain('too long')
  })
})
