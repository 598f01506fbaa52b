import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { GRANTED, type Identity, makeIdentity } from '../../../src/identity/identity.ts'
import { EMPTY, parseDocument, withoutOver } from '../../../src/session/grants/document.ts'
import { createGrants } from '../../../src/session/grants/grants.ts'
import type { SessionLimits } from '../../../src/session/lifetimes.ts'
import { openSessions } from '../../../src/session/open.ts'
import { providerTrustOf } from '../../../src/session/provider-trust.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { openSqliteStore } from '../../../src/session/sqlite/store.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { LIFETIMES } from '../../kit/sessions/lifetimes.ts'
import { refusal } from '../../kit/thrown.ts'

const ADA = makeIdentity('id', 'https://id.example', 'ada', { groups: ['users'] })
const EVE = makeIdentity('id', 'https://id.example', 'eve', {})
const SECRETS = { idToken: 'i', refreshToken: null }

/** A file whose members are those of a group and those with a role that is granted. */
const limits = (group: string): SessionLimits => ({
  ...LIFETIMES,
  cacheBytes: 500_000,
  providerTrust: providerTrustOf({
    providers: new Map([['id', { issuer: 'https://id.example', users: null }]]),
    portals: new Map([['home', { name: 'home', providers: ['id'] }]]),
  }),
  offeredRoles: new Map([['home', new Set(['friend'])]]),
  members: new Map([
    [
      'home',
      {
        has: (who: Identity) => who.groups.includes(group) || who[GRANTED]?.includes('friend') === true,
        cameWith: () => ({ facts: { groups: 'none' }, hint: null }),
        mark: group,
      },
    ],
  ]),
})

/** Two processes that hear of each other only where they ask. */
function openTwo(path: string) {
  const ports = quietPorts(fakeClock())
  const open = () =>
    openSessions({
      store: openSqliteStore(join(path, 's.db'), ports),
      sealer: createSealer(new Uint8Array(32).fill(7), ports),
      limits: limits('users'),
      ports,
      timers: { watchMs: 3_600_000, flushMs: 3_600_000, purgeMs: 3_600_000 },
    })
  return [open(), open()] as const
}

test('a sign-in goes by a role that another process has granted a moment ago', async () => {
  using folder = temporaryFolder()
  const [here, there] = openTwo(folder.path)
  const signIn = (identity: Identity) => here.start({ portal: 'home', host: 'app.example', identity, secrets: SECRETS })
  await signIn(ADA)
  const asked = await there.grants.ask(
    { portal: 'home', identity: ADA },
    { name: 'Ada', role: 'friend', route: 'x', text: '' },
  )
  if (asked.kind !== 'asked') throw new Error(asked.kind)
  await there.grants.grant('home', asked.request.id, { forMs: null, by: 'admin' })
  here.configure(limits('elders'))
  expect((await signIn(ADA)).session.identity.subject).toBe('ada')
  expect((await refusal(signIn(EVE))).code).toBe('sign_in.member')
  expect(await here.count()).toBe(2)
  await here.close()
  await there.close()
})

test('what no version has written counts as nothing, and takes nothing else with it', () => {
  const who = { provider: 'id', issuer: 'https://id.example', subject: 'ada' }
  const decline = { who, role: 'friend', untilMs: 1 }
  const odd = [null, 'x', 5, [], {}, { ...decline, who: null }, { ...decline, role: 1 }, { ...decline, untilMs: null }]
  const request = { who, id: '1', name: 'Ada', role: 'friend', route: 'x', text: '', atMs: 1 }
  const grant = { who, id: '1', name: 'Ada', role: 'friend', atMs: 1, untilMs: 2, by: 'admin' }
  const oddly = <Entry extends object>(entry: Entry) =>
    Object.keys(entry).flatMap(key => [null, [], {}].map(value => ({ ...entry, [key]: value })))
  const text = JSON.stringify({
    requests: [...odd, ...oddly(request), request],
    grants: [...odd, ...oddly(grant).filter(({ untilMs }) => untilMs !== null), grant],
    declines: [...odd, decline],
  })
  expect(parseDocument(text)).toEqual({ requests: [request], grants: [grant], declines: [decline] })
})

test('a request counts for thirty days, a grant and a decline until the time that they say', () => {
  const who = { provider: 'id', issuer: 'https://id.example', subject: 'ada' }
  const of = { who, id: '1', name: 'Ada', role: 'friend' }
  const DAY = 24 * 3_600_000
  const request = { ...of, route: 'x', text: '', atMs: 5 * DAY }
  const [grant, decline] = [
    { ...of, atMs: 1, untilMs: 35 * DAY, by: 'admin' },
    { who, role: 'friend', untilMs: 35 * DAY },
  ]
  const document = { requests: [request], grants: [grant], declines: [decline] }
  expect(withoutOver(document, 35 * DAY - 1)).toEqual(document)
  expect(withoutOver(document, 35 * DAY)).toEqual(EMPTY)
  const forGood = { ...grant, untilMs: null }
  expect(withoutOver({ ...document, grants: [forGood] }, 100 * DAY).grants).toEqual([forGood])
})

/** Grants over a value that this test alone has, and how often it was replaced. */
function grantsOver(kept: { text: string | null; writes: number }) {
  const ports = quietPorts(fakeClock())
  const store = {
    readShared: () => kept.text,
    replaceShared(_: string, before: string | null, after: string) {
      if (before !== kept.text) return false
      kept.text = after
      kept.writes++
      return true
    },
  }
  const grants = createGrants(store, ports, new Map([['home', new Set(['friend'])]]))
  const ask = async (identity: Identity) => {
    const asked = await grants.ask({ portal: 'home', identity }, { name: 'Ada', role: 'friend', route: 'x', text: '' })
    if (asked.kind !== 'asked') throw new Error(asked.kind)
    return asked.request.id
  }
  return { grants, ask }
}

test('a role that was granted is of one user of a file, and not of a later one of the same name', async () => {
  const { grants, ask } = grantsOver({ text: null, writes: 0 })
  const people = [ADA, { ...ADA, userId: '1' }, { ...ADA, userId: '2' }]
  for (const one of people) {
    await grants.grant('home', await ask(one), { forMs: null, by: 'admin' })
    expect(people.filter(other => grants.join('home', other)[GRANTED] !== undefined)).toEqual([one])
    expect(await grants.drop('home', () => true)).toBe(1)
  }
})

test('what people asked for, have and were declined is dropped together; nothing is written where nothing is meant', async () => {
  const kept = { text: null, writes: 0 }
  const { grants, ask } = grantsOver(kept)
  const lengths = () => Object.values(parseDocument(kept.text)).map(({ length }) => length)
  await grants.grant('home', await ask(ADA), { forMs: null, by: 'admin' })
  await grants.decline('home', await ask({ ...ADA, subject: 'bob' }))
  await ask(EVE)
  const { writes } = kept
  expect([await grants.drop('home', ({ who }) => who.subject === 'cy'), kept.writes]).toEqual([0, writes])
  expect(lengths()).toEqual([1, 1, 1])
  expect([await grants.drop('home', () => true), kept.writes]).toEqual([1, writes + 1])
  expect(lengths()).toEqual([0, 0, 0])
})

test('what is granted at one portal, and cannot be read, keeps nobody from hearing what was revoked at another', async () => {
  const texts = new Map<string, string | null>()
  const offered = new Map(['broken', 'home'].map(portal => [portal, new Set(['friend'])]))
  const store = {
    readShared: (name: string) => texts.get(name) ?? null,
    replaceShared(name: string, _before: string | null, after: string) {
      texts.set(name, after)
      return true
    },
  }
  const ports = quietPorts(fakeClock())
  const [here, elsewhere] = [createGrants(store, ports, offered), createGrants(store, ports, offered)]
  const someone = { portal: 'home', identity: ADA }
  const asked = await elsewhere.ask(someone, { name: 'Ada', role: 'friend', route: 'x', text: '' })
  if (asked.kind !== 'asked') throw new Error(asked.kind)
  const grant = await elsewhere.grant('home', asked.request.id, { forMs: null, by: 'admin' })
  await here.hear()
  expect(here.of(someone).grants).toHaveLength(1)
  texts.set('grants-broken', 'no JSON')
  await elsewhere.revoke('home', grant?.id ?? '')
  await expect(here.hear()).rejects.toThrow()
  expect(here.of(someone).grants).toEqual([])
})
