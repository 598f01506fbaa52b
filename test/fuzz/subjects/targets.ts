import { GateError } from '../../../src/base/errors.ts'
import { compileRouteTable } from '../../../src/route/table.ts'
import { parseTarget } from '../../../src/route/target.ts'
import { isOwn, needsOf, type PathRule, readingsOf, SPLIT_HOST } from '../../kit/wire/readings.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const RULES: readonly PathRule[] = [...SPLIT_HOST, { path: '/a b', allow: 'admin' }]

const TABLE = compileRouteTable(RULES.map(({ path, allow }) => ({ host: 'app.example', path, value: allow })))

/** Paths and queries as Bun hands them on: whatever is not ASCII is escaped. */
export const targets: Subject = {
  name: 'targets',
  seeds: [
    '/',
    '/app/public/x?y=1',
    '/admin',
    '/%61dmin',
    '/app/public/..%2fx',
    '//admin;x',
    '/.sallyport/login',
    '/ADMIN.',
  ],
  words: [
    ...'/ // . .. ; ? # % %2e %2f %2F %5c \\ %3b %23 %3f %00 %09 %25 %252f %c0%af %c0%ae %e0%80%af %20 a%20b ::$DATA :$i30:$a'.split(
      ' ',
    ),
    ...'admin app public ADMIN Secret kate .sallyport %E2%84%AA %C5%BF %EF%BD%81 %EF%BC%8F %E2%80%A5 %EF%BF%BD %u002f %61 %AA %DF %85 %A0 %f0%80%81%a1'.split(
      ' ',
    ),
  ],
  maxBytes: 80,
  open: () => ({
    attempt(input) {
      const text = textOf(input).replace(/[^\x21-\x7e]/g, one => `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`)
      const address = `http://app.example${text.startsWith('/') ? '' : '/'}${text}`
      let target: ReturnType<typeof parseTarget>
      try {
        target = parseTarget('GET', address, 'app.example')
      } catch (thrown) {
        if (!(thrown instanceof GateError) || !thrown.code.startsWith('target.')) throw thrown
        return `${thrown.code} ${thrown.message}`
      }
      const { path, query, readings, isReserved } = target
      hold(path.startsWith('/') && (query === '' || query.startsWith('?')), 'a target has its shape', path, query)
      hold(!`${path}${query}`.includes('#'), 'nothing is left of a fragment', path, query)
      const again = parseTarget('GET', `http://app.example${path}${query}`, 'app.example')
      hold(again.path === path && again.query === query, 'a target is read as itself', again.path, path)
      const match = TABLE.match(target)
      const judged = new Set<string | null>(match === null ? [] : [match.value, ...match.also])
      for (const reading of readingsOf(path)) {
        hold(isReserved || !isOwn(reading), 'a path of ours is known in every spelling', path, reading)
        for (const need of isReserved ? [] : needsOf(RULES, reading)) {
          hold(judged.has(need), 'every reading of a path is judged', path, reading, need, [...judged])
        }
      }
      return `${isReserved} ${Math.min(readings.length, 9)} ${[...judged].sort()} ${query !== ''}`
    },
  }),
}
