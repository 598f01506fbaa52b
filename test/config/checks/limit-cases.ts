import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

const route = (lines: string) =>
  `[[routes]]\nhost = "app.example.com"\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const alone = (lines: string) =>
  `[[routes]]\nhost = "a.example.com"\nupstream = "http://app"\nallow = "public"\n${lines}\n${route('').replace('app.', 'b.')}`

const signIn = (lines: string) => route(lines).replace('"public"', '"authenticated"')

/** Mistakes in max_body, keep_posts and rate, with «…» around what the caret has to underline. */
export const LIMIT_CASES: readonly Case[] = [
  ['number.range', 'more sign-ins at once than are kept', '[server]\nsign_in_rate = { requests = 60, burst = «6001» }'],
  ['number.range', 'the same without a burst', '[server]\nsign_in_rate = { requests = «6001», per = "24h" }'],
  ['number.range', 'more in an hour', '[server]\nsign_in_rate = { requests = «234», burst = 1 }'],
  ['size.range', 'messages of no use', '[server]\nmax_message = «"63KiB"»'],
  ['size.range', 'messages beyond memory', '[server]\nmax_message = «"257MiB"»'],
  ['size.invalid', 'a size without a unit', route('max_body = «"100"»')],
  ['size.invalid', 'an unknown unit', '[server]\nmax_body = «"1 XB"»'],
  ['size.invalid', 'a size below nothing', route('max_body = «"-1MB"»')],
  ['size.invalid', 'parts of a byte beyond counting', route('max_body = «"999999999TB"»')],
  ['size.range', 'answers that are too long to keep', route('keep_length = «"17MiB"»')],
  ['size.range', 'forms that are too large to keep', signIn('keep_posts = «"2MB"»')],
  ['size.range', 'forms of no size at all', signIn('keep_posts = «"0B"»')],
  ['keep_posts.unused', 'kept forms where nobody signs in', route('«keep_posts» = "64kB"')],
  ['keep_fragment.unused', 'kept fragments where nobody signs in', route('«keep_fragment» = true')],
  ['keep_posts.unused', 'kept forms without a portal', alone('«keep_posts» = "64kB"')],
  [
    'route.target',
    'kept forms without an application',
    signIn('«keep_posts» = "64kB"').replace('upstream = "http://app"', 'redirect = "/x"'),
  ],
  ['key.type', 'a size as a number', route('max_body = «100»')],
  ['rate.user', 'a rate by user where nobody signs in', alone('rate = { requests = 5, by = «"user"» }')],
  ['key.missing', 'a rate without a number', route('«rate» = { per = "1s" }')],
  ['key.unknown', 'by in the rate of the server', '[server]\nrate = { requests = 5, «by» = "client" }'],
  ['choice.unknown', 'a rate by something else', route('rate = { requests = 5, by = «"session"» }')],
  ['number.range', 'a rate of nothing', route('rate = { requests = «0» }')],
  ['duration.range', 'a rate per less than a second', route('rate = { requests = 5, per = «"10ms"» }')],
]
