import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { askBy } from '../../../src/base/http-client.ts'
import { runCheck } from '../../../src/cli/check.ts'
import { runInit } from '../../../src/cli/init/init.ts'
import { clientName } from '../../../src/cli/init/register.ts'
import type { Terminal } from '../../../src/console/terminal.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Ran, runIn } from '../../kit/io.ts'
import { needs } from '../../kit/needs.ts'
import { pocketIdClient, pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { type PocketId, pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'

interface Written extends Ran {
  readonly routes: string | null
  readonly secret: string | null
}

interface Around {
  readonly files?: Readonly<Record<string, string>>
  /** Who is asked, and answers each question; nobody when absent. */
  readonly answer?: (question: string) => string
  /** What Pocket ID answers in place of its own answers. */
  readonly instead?: (address: string, method: string) => Response | null
}

/** Runs the command for an application in a new folder, with a key for this Pocket ID. */
async function init(
  { issuer, apiKey }: Pick<PocketId, 'issuer' | 'apiKey'>,
  argv: readonly string[] = [],
  { files = {}, answer, instead = () => null }: Around = {},
): Promise<Written> {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries({ key: apiKey, ...files })) writeFileSync(join(folder.path, name), text)
  const base = ['--issuer', issuer, '--upstream', 'http://app:3000', '--api-key-file', 'key']
  const host = argv.includes('--host') ? [] : ['--host', 'app.example.com']
  let asked = ''
  const terminal: Terminal | null =
    answer === undefined
      ? null
      : { ask: async () => answer(asked), askSecret: async () => answer(asked), close: () => undefined }
  const ran = await runIn(folder.path, io => {
    const stderr = (text: string) => {
      asked = text
      io.stderr(text)
    }
    const ports = {
      ...quietPorts(fakeClock(Date.now())),
      ask: askBy(async (address, given) => instead(address, given.method ?? 'GET') ?? fetch(address, given)),
    }
    const all = [...base, ...host, ...(terminal === null ? ['--yes'] : []), ...argv]
    return runInit(
      all,
      { ...io, stderr },
      { ...ports, env: io.env, readText: io.readText, readBytes: io.readBytes },
      terminal,
    )
  })
  if (ran.code === 0)
    expect((await runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))).code).toBe(0)
  const read = (name: string) => {
    const path = join(folder.path, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : null
  }
  return { ...ran, routes: read('routes.toml'), secret: read('client-secret') }
}

const madeAt = (there: PocketId) => [...there.clients.values()].filter(({ id }) => id !== 'gate')
const changesAt = ({ asked }: PocketId) =>
  asked.filter(({ method, path }) => method !== 'GET' && path.includes('/api/oidc/clients'))
const STAFF = pocketIdUser('ada', { groups: ['staff', 'night-staff'] })
const OURS = 'Sallyport (app.example.com)'

describe.each(['2.9', '2.14'] as const)('Pocket ID %s', version => {
  test('signing out here signs out there, as its new client knows the way back', async () => {
    await using there = await pocketId({ version })
    const { code, routes } = await init(there)
    expect([code, routes?.includes('provider_logout = true')]).toEqual([0, true])
    expect(madeAt(there)[0]?.logoutCallbackURLs).toEqual(['https://app.example.com/.sallyport/signed-out'])
  })

  test('the group that may pass is the only one that the client is for', async () => {
    await using there = await pocketId({ version, users: [STAFF] })
    const { code, out } = await init(there, ['--group', 'staff'])
    expect(madeAt(there)).toMatchObject([{ isGroupRestricted: true, allowedUserGroups: ['id-of-staff'] }])
    expect([code, out.includes('for the group staff')]).toEqual([0, true])
  })

  test('a group that is not there is told with those that are, before anything is made', async () => {
    await using there = await pocketId({ version, users: [STAFF] })
    const { code, err, routes, secret } = await init(there, ['--group', 'Staff'])
    expect([code, routes, secret, changesAt(there)]).toEqual([1, null, null, []])
    expect(err).toContain('has no group "Staff"\nhint: it has staff, night-staff')
  })

  test('a client of that name is left alone unless somebody says otherwise', async () => {
    const before = pocketIdClient('old', { name: OURS, secrets: ['secret-of-before'] })
    await using there = await pocketId({ version, clients: [before] })
    const { code, err, routes } = await init(there)
    expect([code, routes, changesAt(there)]).toEqual([1, null, []])
    expect(err).toContain(`has a client "${OURS}" already`)
    expect(err).toContain('--take-over')
    const no = await init(there, ['--tls', 'proxy', '--everyone', '--portal', 'own'], { answer: () => '' })
    expect([no.code, no.routes, changesAt(there)]).toEqual([1, null, []])
  })

  test('it is taken over, and keeps its id, its addresses and what else was set', async () => {
    const before = pocketIdClient('old', {
      name: OURS,
      secrets: ['secret-of-before'],
      callbackURLs: ['https://old.example.com/callback'],
      requiresPushedAuthorizationRequests: true,
      isPublic: true,
    })
    const alike = pocketIdClient('alike', { name: `${OURS} 2` })
    await using there = await pocketId({ version, clients: [alike, before], users: [STAFF] })
    const { code, out, routes, secret } = await init(there, ['--take-over', '--group', 'staff'])
    const now = there.clients.get('old')
    expect([code, routes?.includes('client_id = "old"'), secret]).toEqual([0, true, `${now?.secrets.at(-1)}\n`])
    expect(out).toContain('Taken over at Pocket ID: the client old')
    expect(now).toMatchObject({
      callbackURLs: ['https://old.example.com/callback', 'https://app.example.com/.sallyport/callback'],
      requiresPushedAuthorizationRequests: true,
      isPublic: false,
      allowedUserGroups: ['id-of-staff'],
    })
    expect([there.clients.get('alike'), there.clients.size]).toEqual([alike, 2])
  })

  test('whoever is asked sees where it comes back to, and says yes', async () => {
    const before = pocketIdClient('old', { name: OURS, callbackURLs: ['https://old.example.com/callback'] })
    await using there = await pocketId({ version, clients: [before] })
    const { code, err } = await init(there, ['--tls', 'proxy', '--everyone', '--portal', 'own'], {
      answer: question => (question.includes('"yes" takes it over') ? 'yes' : ''),
    })
    expect([code, err.includes('comes back to https://old.example.com/callback')]).toEqual([0, true])
  })

  test('people see a client with a mark and, where it is kept, a word of what it is for', async () => {
    await using there = await pocketId({ version })
    const { code, err } = await init(there)
    const description = version === '2.9' ? null : 'Sallyport signs people in for app.example.com'
    expect([code, err]).toEqual([0, ''])
    expect(madeAt(there)).toMatchObject([{ name: OURS, hasLogo: true, description }])
  })

  test('one that is taken over keeps the mark and the words that somebody gave it', async () => {
    const before = pocketIdClient('old', { name: OURS, hasLogo: true, description: 'Ours' })
    await using there = await pocketId({ version, clients: [before] })
    expect((await init(there, ['--take-over'])).code).toBe(0)
    expect(there.asked.filter(({ path }) => path.endsWith('/logo'))).toEqual([])
    if (version === '2.14') expect(there.clients.get('old')?.description).toBe('Ours')
  })

  test('a mark that is not taken is told, and nothing else fails', async () => {
    await using there = await pocketId({ version })
    const { code, err, secret } = await init(there, [], {
      instead: address =>
        address.endsWith('/logo') ? Response.json({ error: 'File is too large' }, { status: 413 }) : null,
    })
    expect([code, secret]).toEqual([0, `${madeAt(there)[0]?.secrets[0]}\n`])
    expect(err).toContain('Pocket ID took no logo: "File is too large", it answered 413')
  })

  test('one for some groups, taken over for everyone, is told to refuse others', async () => {
    const before = pocketIdClient('old', {
      name: OURS,
      isGroupRestricted: true,
      allowedUserGroups: ['id-of-staff', 'id-of-night-staff'],
    })
    await using there = await pocketId({ version, clients: [before], users: [STAFF] })
    const { code, err } = await init(there, ['--take-over', '--everyone'])
    expect([code, there.clients.get('old')?.isGroupRestricted]).toEqual([0, true])
    expect(err).toContain('is for the groups staff, night-staff at Pocket ID, which refuses everybody else')
    // Nothing is said where the file and the client are for the same.
    expect((await init(there, ['--take-over', '--group', 'staff'])).err).toBe('')
  })

  test('one that has to push its requests gets a file that pushes them; 2.9 is told what that asks of people', async () => {
    const before = pocketIdClient('old', { name: OURS, requiresPushedAuthorizationRequests: true })
    await using there = await pocketId({ version, clients: [before] })
    const { code, err, routes } = await init(there, ['--take-over'])
    expect([code, routes?.includes('par = "always"')]).toEqual([0, true])
    expect(err.includes('90 seconds')).toBe(version === '2.9')
    expect((await init(there, ['--host', 'b.example.com'])).routes).not.toContain('par = ')
  })

  test('a long host fits the name of a client', async () => {
    await using there = await pocketId({ version })
    const host = `${'a'.repeat(40)}.intranet.example.com`
    const { code } = await init(there, ['--host', host])
    expect([code, madeAt(there)[0]?.name.length]).toEqual([0, 50])
  })

  test('at another address in its own network it is asked there', async () => {
    await using there = await pocketId({ version, hasInner: true })
    const { code, routes } = await init(there, ['--internal-url', there.inner])
    expect([code, routes?.includes(`internal_url = "${there.inner}"`)]).toEqual([0, true])
    expect(changesAt(there).every(({ isInner }) => isInner)).toBe(true)
  })
})

test('every name of a client has at most 50 characters, and is the host alone where both do not fit', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9.-]{1,253}$/), host => {
      const name = clientName(host)
      expect(name.length).toBeLessThanOrEqual(50)
      if (host.length <= 50) expect(name).toContain(host)
    }),
  )
})

test('2.14 is asked for a secret at its own place, once', async () => {
  await using there = await pocketId({ version: '2.14' })
  await init(there)
  const [made] = madeAt(there)
  expect(changesAt(there).map(({ path }) => path)).toEqual([
    '/api/oidc/clients',
    `/api/oidc/clients/${made?.id}/secrets`,
    `/api/oidc/clients/${made?.id}/logo`,
  ])
  expect(made?.secrets.length).toBe(1)
})

test.each<[string, object]>([
  ['Callback URL is not allowed', { error: 'Callback URL is not\u001b allowed' }],
  ['invalid_request: It has too much.', { error: 'invalid_request', error_description: 'It has too much.' }],
])('the reason that it gives is passed on, without what moves a terminal: %s', async (says, body) => {
  await using there = await pocketId({ version: '2.9' })
  const { code, err, routes } = await init(there, [], {
    instead: (address, method) =>
      method === 'POST' && address.endsWith('/clients') ? Response.json(body, { status: 400 }) : null,
  })
  expect([code, routes]).toEqual([1, null])
  expect(err).toContain(`Pocket ID made no client: "${says}", it answered 400`)
})

test('a client that was made and is not finished can be gone on with', async () => {
  await using there = await pocketId({ version: '2.14' })
  const broken = {
    instead: (address: string) => (/\/secrets?$/.test(address) ? new Response(null, { status: 500 }) : null),
  }
  const first = await init(there, [], broken)
  expect([first.code, first.routes, madeAt(there).length]).toEqual([1, null, 1])
  expect(first.err).toContain('continue with --take-over')
  const second = await init(there, ['--take-over'])
  expect([second.code, second.secret, madeAt(there).length]).toEqual([0, `${madeAt(there)[0]?.secrets[0]}\n`, 1])
})

needs('openssl').test('an authority that nobody trusts here is called that, and --ca names it', async () => {
  const authority = makeAuthority()
  const { cert, key } = authority.issue('DNS:localhost')
  await using there = await pocketId({ version: '2.14', tls: { cert, key } })
  const refused = await init(there)
  expect([refused.code, refused.routes]).toEqual([2, null])
  expect(refused.err).toContain('no authority that is trusted here has signed its certificate; --ca FILE')
  expect(refused.err).toContain('NODE_EXTRA_CA_CERTS=FILE')
  const { code, routes } = await init(there, ['--ca', 'ca.pem'], { files: { 'ca.pem': authority.cert } })
  expect([code, routes?.includes('ca = "ca.pem"')]).toEqual([0, true])
  const wrong = await init(there, ['--ca', 'ca.pem'], { files: { 'ca.pem': 'nothing' } })
  expect([wrong.code, wrong.routes]).toEqual([1, null])
})

test('a wrong issuer is shown beside the right one', async () => {
  await using there = await pocketId({ version: '2.9' })
  const { code, err } = await init({ ...there, issuer: there.issuer.replace('127.0.0.1', 'localhost') })
  expect(code).toBe(2)
  expect(err).toContain(
    `the provider calls itself ${there.issuer}, not ${there.issuer.replace('127.0.0.1', 'localhost')}`,
  )
  expect(err).toContain(`hint: its issuer is ${there.issuer}\n`)
})
