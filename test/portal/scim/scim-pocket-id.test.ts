/** What Pocket ID pushed to a recorder, pushed to us: what it has to see in the answers, request by request. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSaying } from '../../kit/applications/answering.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { push, SCIM_KEY } from '../../kit/scim.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, SILENT } from '../../kit/toml.ts'

const upstream = untilTheEnd()(startSaying('the application'))

/** Method, address, the token of the recorder, the type, and a body where there is one. */
const LINE = /^(?<method>[A-Z]+) \/scim\/v2(?<path>\S+) Bearer \S+ (?<type>\S*) ?(?<body>.*)$/

const RECORDED = readFileSync(join(import.meta.dir, '../../recorded/pocket-id-scim.txt'), 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => {
    const { method = '', path = '', type = '', body = '' } = LINE.exec(line)?.groups ?? {}
    return { method, path, type, body }
  })

interface Said {
  readonly externalId: string
  readonly userName?: string
  readonly displayName?: string
  readonly active?: boolean
  readonly members?: readonly { readonly value: string }[]
}

test('the recording is read to its end', () => {
  expect(RECORDED.map(({ method, path }) => `${method} ${path.split('?')[0]}`)).toEqual([
    'GET /Users',
    'GET /Groups',
    ...Array(3).fill('POST /Users'),
    ...Array(3).fill('POST /Groups'),
  ])
})

test('a first push is taken as a whole, and a second one finds what there is', async () => {
  await using gate = await startGate(
    [providerTable(SILENT, SCIM_KEY), portalTable(EVERYONE), routeForUsers(upstream, 'app.example')].join('\n'),
  )
  const ids = new Map<string, string>()
  for (const { method, path, type, body } of RECORDED) {
    if (method === 'GET') {
      // It goes on page by page until it has totalResults.
      const answer = await push(gate, method, path)
      expect([answer.status, answer.fields.get('content-type')]).toEqual([200, 'application/scim+json'])
      expect(answer.body).toMatchObject({ totalResults: 0, startIndex: 1, itemsPerPage: 0, Resources: [] })
      continue
    }
    const said = JSON.parse(body) as Said
    // The recorder gave ids of its own: the one member that was sent is one of the users before.
    const known = [...ids.entries()].find(([externalId]) => externalId.includes('-4842-'))?.[1] ?? ''
    const members = said.members?.map(() => ({ value: known }))
    const sent = JSON.stringify(members === undefined ? said : { ...said, members })
    const answer = await push(gate, method, path, sent, { fields: { 'content-type': type } })
    expect([path, answer.status, typeof answer.body.id]).toEqual([path, 201, 'string'])
    const { externalId, userName, displayName, active = true } = said
    expect(answer.body).toMatchObject({ externalId, displayName })
    if (userName !== undefined) expect([answer.body.userName, answer.body.active]).toEqual([userName, active])
    // What was changed there since then is pushed again.
    expect(Date.parse(answer.body.meta.lastModified)).toBeGreaterThan(Date.now() - 60_000)
    ids.set(externalId, answer.body.id)
  }
  for (const [path, total] of [
    ['/Users?count=1000&startIndex=1', 3],
    ['/Groups?count=1000&startIndex=1', 3],
  ] as const) {
    const { body } = await push(gate, 'GET', path)
    expect([body.totalResults, body.itemsPerPage, body.Resources.length]).toEqual([total, total, total])
    for (const one of body.Resources) expect(one.id).toBe(ids.get(one.externalId))
  }
  const family = (await push(gate, 'GET', '/Groups?filter=displayName%20eq%20%22Family%22')).body.Resources[0]
  expect(family.members.map((one: { value: string }) => one.value)).toEqual([[...ids.values()][0]])
})
