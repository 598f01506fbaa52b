import type { DiagnosticCode } from '../../src/config/diagnostic.ts'
import type { World } from './checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const route = (lines: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const basic = (keys: string) => route('').replace('"http://app"', `{ to = "http://app", basic_auth = { ${keys} } }`)

/** Every mistake in how a route changes requests and answers, and in routes that answer themselves. */
export const REWRITE_CASES: readonly Case[] = [
  ['host.invalid', 'a Host with a path', route('host_header = "a.example«/x»"')],
  ['host.invalid', 'a Host with an impossible port', route('host_header = "app«:70000»"')],
  ['path.invalid', 'a prefix with dots to add', route('add_prefix = "/«..»/x"')],
  ['upstream.basic_auth', 'a user name with a colon', basic('user = "a«:»b", password = "x"')],
  ['key.missing', 'a user without a password', basic('user = "a"').replace('basic_auth', '«basic_auth»')],
]
