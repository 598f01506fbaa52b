import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

const table = (lines: string) => `[[routes]]\nupstream = "http://app"\nallow = "public"\nportal = "home"\n${lines}`
const hosts = (list: string, more = '') => table(`host = ${list}\n${more}`)
const paths = (list: string, more = '') => hosts('"app.example.com"', `path = ${list}\n${more}`)

const POSTS = 'when = { methods = ["POST"] }'

/** Mistakes in routes of several hosts and paths. */
export const ROUTE_LIST_CASES: readonly Case[] = [
  ['list.empty', 'no path', paths('«[]»')],
  ['list.empty', 'no host', hosts('«[]»')],
  ['list.repeated', 'a path twice in its list', paths('["/a", «"/a"»]')],
  ['path.invalid', 'a star in a list of paths', paths('["/a", "/b/«*»"]')],
  ['path.invalid', 'a path alone with a slash at its end', paths('«"=/a/"»')],
  ['path.invalid', 'a path alone without a slash', paths('«"=a"»')],
  ['path.reserved', "a path alone of Sallyport's own", paths('["/a", «"=/.sallyport/x"»]')],
  ['host.invalid', 'a port in a list of hosts', hosts('["a.example.com", "b.example.com«:80»"]')],
  ['route.duplicate', 'a path of a list with and without a slash at its end', paths('["/a", «"/a/"»]')],
  ['route.duplicate', 'a path of a list that another route has', `${paths('"/b"')}\n${paths('["/a", «"/b"»]')}`],
  ['route.duplicate', 'a path alone in both spellings', `${paths('"/a"', 'exact = true')}\n${paths('«"=/a"»')}`],
  [
    'route.duplicate',
    'a host of a list that has a route',
    `${hosts('"a.example.com"')}\n${hosts('["b.example.com", «"a.example.com"»]')}`,
  ],
  ['route.duplicate', 'one that is for the same requests', `${paths('"/a"', POSTS)}\n${paths('«"/a"»', POSTS)}`],
  ['list.empty', 'a route for requests of which nothing is said', paths('"/a"', 'when = «{}»')],
  [
    'list.empty',
    'a route for requests of any kind, in any letter case',
    paths('"/a"', 'when = «{ ignore_case = true }»'),
  ],
  [
    'key.unknown',
    'a route for requests by what a client says of itself',
    paths('"/a"', 'when = { «headers» = { X = "y" } }'),
  ],
  ['route.case', 'a list with two spellings of a path', paths('["/a", «"/A"»]')],
  ['route.redundant', 'a path below another one of its list', paths('["/a", «"/a/b"»]')],
  ['route.redundant', 'a path alone beside the same with all below it', paths('["/a", «"=/a"»]')],
  ['strip_prefix.mismatch', 'a prefix that one path of a list lacks', paths('["/a/x", "/b"]', 'strip_prefix = «"/a"»')],
  [
    'one_label.host',
    'one label of several whole names',
    hosts('["a.example.com", "b.example.com"]', 'one_label = «true»'),
  ],
]
