import { addressOf, parseOnward } from '../../../src/portal/compat/old-addresses.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const HOSTS = new Set(['app.example', 'other.example'])
const ORIGIN = 'https://app.example:8443'

/** Where old addresses lead people on to, as a link says it. */
export const onward: Subject = {
  name: 'onward',
  seeds: [
    '/bye?x=1#y',
    'https://other.example/a?b',
    'https://other.example:8443/',
    'https://app.example:8443/.sallyport/login',
    '//evil.example/',
    'http://other.example/',
    'https://x.wild.example/',
  ],
  words: [
    ...'/ // \\ @ : :443 :8443 :80 ? # % . .. https:// http:// https: javascript: data: %2f %5c %09 %0a'.split(' '),
    ...'app.example other.example evil.example x.wild.example xn-- [::1] 1.2.3.999 0x7f.1 .sallyport'.split(' '),
    '\t',
    '\n',
    '\u0000',
    '\u3002',
    '\uff0f',
    '\u00ad',
    ' ',
  ],
  maxBytes: 120,
  open: () => ({
    attempt(input) {
      const isServed = (host: string) => HOSTS.has(host) || host.endsWith('.wild.example')
      const found = parseOnward(textOf(input), { origin: ORIGIN, isServed })
      const address = addressOf(found)
      hold(/^[\x21-\x7e]+$/.test(address), 'a Location is of plain letters', address)
      const read = new URL(address, `${ORIGIN}/oauth2/sign_out`)
      hold(isServed(read.hostname), 'a browser stays on our hosts', address, read.hostname)
      hold(read.protocol === 'https:' && ['', '8443'].includes(read.port), 'and at our ports', address)
      hold(read.username === '' && read.hash === '', 'without a user, or a fragment', address)
      hold((found.kind === 'here') === address.startsWith('/'), 'a path is a path', address)
      hold(found.kind === 'away' || read.origin === ORIGIN, 'a path is of this host', address)
      hold(addressOf(parseOnward(address, { origin: ORIGIN, isServed })) === address, 'it is read as itself', address)
      const host = HOSTS.has(read.hostname) ? read.hostname : 'below the wildcard'
      return `${found.kind} ${host} ${read.port} ${read.pathname === '/'} ${read.search !== ''}`
    },
  }),
}
