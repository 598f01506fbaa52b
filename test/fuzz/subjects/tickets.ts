import { isDeepStrictEqual } from 'node:util'
import { parseDestination } from '../../../src/portal/sign-in/destination.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { createRandom } from '../random.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const NOW_MS = Date.UTC(2026, 0, 1)
const KEY = new Uint8Array(32).fill(7)
const PURPOSES = ['destination at home', 'destination at other', 'owner at home on a.example', '']

const random = createRandom(1)
const sealer = createSealer(KEY, {
  now: () => NOW_MS,
  random: count => Uint8Array.from({ length: count }, () => random.below(256)),
})

/** What was sealed, for which purpose, and whether its time is over. */
interface Sealed {
  readonly text: string
  readonly purpose: string
  readonly value: object
  readonly isOver: boolean
}

const VALUES: readonly object[] = [
  { kind: 'here', path: '/x' },
  { kind: 'away', origin: 'https://a.example', host: 'a.example', path: '/', ask: 'x' },
  {},
]

const SEALED: readonly Sealed[] = await Promise.all(
  VALUES.flatMap((value, index) =>
    [1, 0].map(async (left): Promise<Sealed> => {
      const purpose = PURPOSES[index] ?? ''
      return { text: await sealer.seal(value, purpose, NOW_MS + left), purpose, value, isOver: left === 0 }
    }),
  ),
)

/** Text that is to be opened, after a first byte that chooses a purpose; and what may have been sealed, as JSON. */
export const tickets: Subject = {
  name: 'tickets',
  seeds: [
    ...SEALED.flatMap(({ text }) => [0, 1, 2].map(purpose => `${purpose}${text}`)),
    ...VALUES.map(value => `0${JSON.stringify(value)}`),
  ],
  words: [
    '0',
    '1',
    '2',
    'A',
    '=',
    '-',
    '_',
    '{',
    '}',
    'null',
    '"kind":"away"',
    '"path":"//evil.example"',
    '"path":1',
    '"ask":[]',
  ],
  maxBytes: 400,
  open: () => ({
    async attempt(input) {
      const all = textOf(input)
      const [purpose = '', text] = [PURPOSES[(input[0] ?? 0) & 3], all.slice(1)]
      const opened = await sealer.open(text, purpose)
      const known = SEALED.find(one => one.text === text && one.purpose === purpose && !one.isOver)
      hold((opened === null) === (known === undefined), 'what was sealed opens, and nothing else does', text, purpose)
      hold(known === undefined || isDeepStrictEqual(opened, known.value), 'what opens is as it was sealed', text)
      let value: unknown
      try {
        value = JSON.parse(text)
      } catch {
        return `${opened !== null} ${/^[\w-]+$/.test(text)} ${Math.min(3, text.length % 4)}`
      }
      const destination = parseDestination(value)
      if (destination === null) return `none ${typeof value}`
      const strings = Object.values(destination).every(part => typeof part === 'string')
      hold(strings, 'a destination is of texts', text)
      const path = destination.kind === 'away' ? destination.path : '/'
      hold(new URL(path, 'https://a.example').origin === 'https://a.example', 'a path leads nowhere else', path)
      return `${destination.kind} ${path === '/'}`
    },
  }),
}
