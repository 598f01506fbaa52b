import { expect, test } from 'bun:test'
import { createGroups, patternOf } from '../../../src/migrate/rehearse/groups.ts'
import { LOGGED } from '../../kit/log/logged.ts'

test.each([
  ['/', '/'],
  ['/settings', '/settings'],
  ['/users/4711', '/users/*'],
  ['/users/4711/photos', '/users/*/…'],
  ['/users/', '/users/'],
  ['/d/0b8e6a1c-6ac0-4a52-9f7c-2d8f7f0c8a11', '/d/*'],
  ['/people/ada@example.com', '/people/*'],
  ['/assets/deadbeef', '/assets/deadbeef'],
  ['/assets/deadbee5', '/assets/*'],
  ['/share/xK29fjq0aPLzmQ84hyTr', '/share/*'],
])('the place of %s is %s', (path, pattern) => {
  expect(patternOf(path)).toBe(pattern)
})

test('however many places and hosts a log has, there are no more groups than are kept, and every request is in one', () => {
  const groups = createGroups(10)
  const judged = { fate: 'unrouted', route: null, reason: 'route.none', why: '' } as const
  for (let number = 0; number < 1000; number++) {
    const host = `h${number % 200}.example.com`
    groups.add({ ...judged, host, path: `/p${String.fromCharCode(97 + (number % 26))}x` }, LOGGED)
  }
  const list = groups.list()
  expect(list.length).toBeLessThan(30)
  expect(list.reduce((sum, { count }) => sum + count, 0)).toBe(1000)
  expect(list[0]).toMatchObject({ host: '…', path: '/…' })
})
