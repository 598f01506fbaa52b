/** The keys of `outgoing`: the proxy for requests of our own. */

import { basicField } from '../../base/basic-auth.ts'
import type { OutgoingConfig } from '../../base/outgoing.ts'
import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { parseHost } from '../values/host.ts'
import { parseNetwork } from '../values/listen.ts'
import { list, parsed } from '../values/value.ts'
import { secret } from './secret.ts'
import { defaulted, type Keys, type Known, optional, required, type Table } from './table.ts'

/** What is asked without the proxy. */
type OutgoingException = { readonly kind: 'host' | 'suffix' | 'network'; readonly text: string }

const proxy = parsed(
  {
    label: 'address',
    expected: 'the address of a proxy, such as "http://proxy:3128"',
    numberHint: 'a whole address, in quotes: "http://proxy:{n}"',
  },
  parseProxy,
)

const exception = parsed(
  { label: 'host, ending or network', expected: 'a host, an ending such as ".lan", or a network such as "10.0.0.0/8"' },
  parseException,
)

const user = parsed({ label: 'text', expected: 'text' }, name =>
  // RFC 7617 §2.
  name.includes(':')
    ? bad('outgoing.proxy', `${quote(name)} has a colon in it`, 'no proxy could tell it from the password', ':')
    : good(name),
)

/** `outgoing` of `[server]`. */
export const OUTGOING = {
  proxy: required(
    proxy,
    'http://proxy:3128',
    'The proxy: `http://` with its port. HTTPS goes through a tunnel (CONNECT), in which certificates are checked as ever.',
  ),
  user: optional(user, 'sallyport', 'no login', 'Who we are to the proxy, in clear text on the way to it.'),
  password: optional(secret, '${file:/run/secrets/proxy}', 'none', 'The password of `user`.'),
  except: defaulted(
    list(exception, { single: true, mayBeEmpty: true }),
    [],
    ['10.0.0.0/8', '.lan', 'id.example.com'],
    'What is asked without it: hosts, endings of names, and networks for hosts that are addresses. Names are not looked up for this. This machine (`localhost`, `127.0.0.0/8`, `::1`) is always asked without it.',
  ),
} as const satisfies Keys

/** By which proxy requests of our own go, and what goes without it. */
export function finishOutgoing(
  _: object,
  { proxy, user, password, except }: Known<Table<typeof OUTGOING>>,
): OutgoingConfig {
  const of = (wanted: OutgoingException['kind']) => except.filter(({ kind }) => kind === wanted).map(({ text }) => text)
  return {
    proxy,
    authorization: user === null ? null : basicField(user, password ?? ''),
    except: { hosts: of('host'), suffixes: of('suffix'), networks: of('network') },
  }
}

/** The origin of a proxy, or why it is none. */
export function parseProxy(text: string): Parsed<string> {
  // It may hold a password, so that it is not quoted.
  if (/^[a-z0-9+.-]*:?\/\/.*@/is.test(text)) {
    const hint = 'put both into outgoing beside it: user = "…", password = "${file:/run/secrets/proxy}"'
    return bad('outgoing.proxy', 'a user name or password cannot be in this address', hint)
  }
  const not = `${quote(text)} is not the address of a proxy`
  const example = 'as "http://proxy:3128"'
  const url = URL.parse(text)
  if (url === null || !/^[a-z]+:\/\//i.test(text)) return bad('outgoing.proxy', not, example)
  if (url.protocol !== 'http:') {
    return bad(
      'outgoing.proxy',
      not,
      'only HTTP proxies are spoken to, by "http://": HTTPS goes through them all the same',
    )
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return bad('outgoing.proxy', not, 'without a path: "http://proxy:3128"')
  }
  return good(url.origin)
}

function parseException(text: string): Parsed<OutgoingException> {
  if (text.includes('/')) {
    const network = parseNetwork(text)
    return network.ok ? good({ kind: 'network', text: network.value }) : network
  }
  const ending = /^\*?\.(.+)$/.exec(text)?.[1]
  const host = parseHost(ending ?? text)
  if (!host.ok) return host
  return good(ending === undefined ? { kind: 'host', text: host.value } : { kind: 'suffix', text: `.${host.value}` })
}
