import { expect, test } from 'bun:test'
import { createDenials, type Denial } from '../../../src/server/observe/denials.ts'
import { mergeViews, type ProcessView, parseProcessView } from '../../../src/server/observe/process-view.ts'

const denial = (atMs: number): Denial => ({
  atMs,
  id: `r-${atMs}`,
  portal: 'home',
  route: 'a.example/',
  method: 'GET',
  reason: 'role.missing',
  needs: 'role admin',
  groups: null,
  user: null,
  client: '192.0.2.1',
})
const origin = (health: ProcessView['origins'][number]['health'], inFlight: number, failures: number) => ({
  upstream: 'app',
  address: '10.0.0.1:80',
  health,
  inFlight,
  failures,
  refusedMs: failures,
})

const use = (route: string, lastMs: number, tookMs: number, count: number) => ({ route, lastMs, tookMs, count })

test('the last hundred denials are kept, newest first', () => {
  const denials = createDenials()
  expect(denials.latest()).toEqual([])
  for (let atMs = 1; atMs <= 250; atMs++) denials.note(denial(atMs))
  const kept = denials.latest().map(one => one.atMs)
  expect(kept).toEqual(Array.from({ length: 100 }, (_, index) => 250 - index))
})

test('several processes are one: all denials by time, requests added up, the worst news of an address', () => {
  const merged = mergeViews([
    { denials: [denial(3), denial(1)], origins: [origin('up', 2, 0)], uses: [use('a', 20, 100, 3)] },
    { denials: [denial(2)], origins: [origin('down', 1, 4)], uses: [use('a', 30, 20, 1), use('b', 5, 7, 2)] },
    { denials: [], origins: [origin('unknown', 0, -1)], uses: [] },
  ])
  // How long it took weighs by how many requests there were.
  expect(merged.uses).toEqual([use('a', 30, 80, 4), use('b', 5, 7, 2)])
  expect(merged.denials.map(one => one.atMs)).toEqual([3, 2, 1])
  expect(merged.origins).toEqual([origin('down', 3, 4)])
  const two = [origin('unknown', 0, -1), origin('up', 0, 0)]
  expect(mergeViews([{ denials: [], origins: two, uses: [] }]).origins).toEqual([origin('up', 0, 0)])
})

test('what another process sends is taken whole or not at all', () => {
  const view: ProcessView = { denials: [denial(1)], origins: [origin('up', 0, 0)], uses: [use('a', 1, 2, 3)] }
  expect(parseProcessView(JSON.parse(JSON.stringify(view)))).toEqual(view)
  for (const raw of [
    null,
    'view',
    {},
    { denials: [], origins: {} },
    { denials: [{ ...denial(1), reason: 'because' }], origins: [] },
    { denials: [{ ...denial(1), user: 7 }], origins: [] },
    { denials: [], origins: [{ ...origin('up', 0, 0), health: 'fine' }] },
    { denials: [], origins: [{ ...origin('up', 0, 0), inFlight: '1' }] },
    { denials: [], origins: [], uses: {} },
    { denials: [], origins: [], uses: [{ ...use('a', 1, 2, 3), lastMs: 'now' }] },
  ]) {
    expect(parseProcessView(raw)).toBeNull()
  }
})
