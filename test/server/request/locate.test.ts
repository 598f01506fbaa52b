import { expect, test } from 'bun:test'
import { parseTarget } from '../../../src/route/target.ts'
import type { Snapshot } from '../../../src/server/config/snapshot.ts'
import { nothingAt } from '../../../src/server/request/locate.ts'
import { contextOf } from '../../kit/context.ts'

test.each<[from: string, isPeerTrusted: boolean, host: string, isTold: boolean]>([
  ['a proxy that hands over a host that nothing has', true, 'wrong.example', true],
  ['a proxy that hands over a host of a portal', true, 'app.example', false],
  ['a client that asks for a host that nothing has', false, 'wrong.example', false],
  ['a client that asks for a host of a portal', false, 'app.example', false],
])('how to hand over another host is told to %s: %p', (_, isPeerTrusted, host, isTold) => {
  const portals = { lookup: (name: string) => (name === 'app.example' ? {} : undefined) }
  const context = contextOf({ isPeerTrusted, snapshot: { portals } as unknown as Snapshot })
  const { code, hint } = nothingAt(context, parseTarget('GET', `http://${host}/x`, host))
  expect([code, hint?.includes(`another host than ${host}`) === true]).toEqual(['route.none', isTold])
})
