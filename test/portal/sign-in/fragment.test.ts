import { expect, test } from 'bun:test'
import { runInNewContext } from 'node:vm'
import { SCRIPTS } from '../../../src/portal/layout/assets.ts'

const NOW = 1_800_000_000_000

interface Window {
  /** What the page says. */
  readonly returnTo: string
  readonly onward: string
  readonly hash?: string
  /** What the window keeps; undefined: nothing, null: it may keep nothing. */
  readonly kept?: string | null
}

/** Where a script of ours leads such a window, and what the window keeps then. */
function run(script: 'keep-fragment' | 'give-fragment', { returnTo, onward, hash = '', kept }: Window) {
  const storage = new Map<string, string>(kept === undefined || kept === null ? [] : [['sallyport-fragment', kept]])
  const led: string[] = []
  runInNewContext(SCRIPTS[script], {
    document: { querySelector: () => ({ dataset: { returnTo, onward } }) },
    location: { hash, replace: (address: string) => led.push(address) },
    Date: { now: () => NOW },
    get sessionStorage() {
      if (kept === null) throw new Error('blocked')
      return {
        getItem: (name: string) => storage.get(name) ?? null,
        setItem: (name: string, value: string) => void storage.set(name, value),
        removeItem: (name: string) => void storage.delete(name),
      }
    },
  })
  return { led, kept: [...storage.values()] }
}

const LOGIN = '/.sallyport/login?return=%2Fmail&fragment=kept'
const stored = (path: unknown, hash: unknown, at: unknown = NOW) => JSON.stringify([path, hash, at])
const keep = (window: Partial<Window>) => run('keep-fragment', { returnTo: '/mail', onward: LOGIN, ...window })
const give = (kept: string | null | undefined, path = '/mail') =>
  run('give-fragment', { returnTo: path, onward: path, ...(kept === undefined ? {} : { kept }) })

test('a fragment is kept with its path, and the window goes on without it', () => {
  expect(keep({ hash: '#/a?b#c' })).toEqual({ led: [LOGIN], kept: [stored('/mail', '#/a?b#c')] })
})

test('a sign-in that begins again without one leaves what is kept, and a newer one takes its place', () => {
  expect(keep({ kept: stored('/mail', '#x') }).kept).toEqual([stored('/mail', '#x')])
  expect(keep({ kept: stored('/mail', '#x'), hash: '#y' }).kept).toEqual([stored('/mail', '#y')])
})

test('it is put again once', () => {
  expect(give(stored('/mail', '#/a', NOW - 599_999))).toEqual({ led: ['/mail#/a'], kept: [] })
})

test.each([
  ['another path', stored('/other', '#/a')],
  ['a sign-in that was given up long ago', stored('/mail', '#/a', NOW - 3_600_000)],
  ['no time', stored('/mail', '#/a', 'x')],
  ['no fragment', stored('/mail', '@evil.example/')],
  ['a list in place of a fragment', stored('/mail', [['#']])],
  ['an address of another origin', stored('//evil.example', '#')],
  ['what is no list', '{"0":"/mail"}'],
  ['what is no JSON', 'javascript:alert(1)'],
  ['nothing', undefined],
  ['a window that may keep nothing', null],
])('%s leads to the path alone, whatever an application’s script has put there', (_title, kept) => {
  expect(give(kept)).toEqual({ led: ['/mail'], kept: [] })
  expect(keep({ ...(kept === undefined ? {} : { kept }) }).led).toEqual([LOGIN])
})
