import fc from 'fast-check'

/** Ways to write the character at a place otherwise, or to put something before it. */
const MUTATIONS: readonly ((text: string) => string)[] = [
  one => `%${hex(one)}`,
  one => `%${hex(one).toUpperCase()}`,
  one => `%25${hex(one)}`,
  one => `%${[...hex(one)].map(digit => `%${hex(digit)}`).join('')}`,
  one => `%c${one < '@' ? '0' : '1'}%${((one.charCodeAt(0) & 0x3f) | 0x80).toString(16)}`,
  one => `%u00${hex(one)}`,
  one => (one === one.toUpperCase() ? one.toLowerCase() : one.toUpperCase()),
  one => `/${one}`,
  one => `/./${one}`,
  one => `/x/../${one}`,
  one => `/x/..;/${one}`,
  one => `/x/%2e%2e/${one}`,
  one => `%2f..%2f${one}`,
  one => `;a=b${one}`,
  one => `;${one}`,
  one => `%3b${one}`,
  one => `\\${one}`,
  one => `%5c${one}`,
  one => `%09${one}`,
  one => `%00${one}`,
  one => `%2500${one}`,
  one => `%23${one}`,
  one => `#${one}`,
  one => `?${one}`,
  one => `%3f${one}`,
  one => `\t${one}`,
  one => `\xe9${one}`,
  one => `.${one}`,
  one => `//${one}`,
  one => `%2F${one}`,
  one => `${one}.`,
  one => `${one}%20`,
  one => `${one}%2e%20.`,
  one => `${one}::$INDEX_ALLOCATION`,
  one => `${one}%3a$i30%3A$INDEX_ALLOCATION`,
  one => utf8(wide(one)),
  one => utf8(LOOK_ALIKES.get(one.toLowerCase()) ?? wide(one)),
  one => `%25${utf8(LOOK_ALIKES.get(one.toLowerCase()) ?? wide(one)).slice(1)}`,
  () => '',
]

/** Letters that become ASCII only where case is folded, or by NFC alone. */
const LOOK_ALIKES = new Map([
  ['k', '\u212a'],
  ['s', '\u017f'],
  ['i', '\u0131'],
])

/** The wide form of a printable character, which NFKC makes a plain one. */
function wide(one: string): string {
  return one > ' ' && one <= '~' ? String.fromCharCode(one.charCodeAt(0) + 0xfee0) : one
}

function utf8(text: string): string {
  return [...Buffer.from(text, 'utf8')].map(byte => `%${byte.toString(16)}`).join('')
}

function hex(one: string): string {
  return one.charCodeAt(0).toString(16).padStart(2, '0')
}

/** Paths near these, written oddly in up to four places, and now and then as a whole address. */
export function oddTargets(paths: readonly string[]): fc.Arbitrary<string> {
  const bases = paths.flatMap(path => {
    const base = path === '/' ? '' : path
    return [base || '/', `${base}/x`, `${base}x`, `${base}/../${base}`, `${base}/x/..`, `${base}/`]
  })
  const edits = fc.array(fc.tuple(fc.nat(40), fc.constantFrom(...MUTATIONS)), { maxLength: 4 })
  const joined = fc.tuple(fc.constantFrom(...bases), fc.constantFrom('', ...bases))
  return fc
    .tuple(joined, edits, fc.constantFrom('', '', '', '', 'http://app.example', 'http://x@other.example:1'))
    .map(([[first, second], changes, origin]) => {
      const pieces = [...(first + second)]
      for (const [place, change] of changes) {
        const at = place % pieces.length
        pieces[at] = change(pieces[at] ?? '')
      }
      const path = pieces.join('')
      return origin + (path.startsWith('/') ? path : `/${path}`)
    })
}

/** More rounds than usual: `ATTACK_RUNS=20000 bun test test/attack/routes/route-tables.test.ts`. */
export const ATTACK_RUNS = Number(process.env.ATTACK_RUNS ?? 300)
