import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string]

const files = (value: string, more = 'allow = "public"\nportal = "home"') =>
  `[[routes]]\nhost = "app.example.com"\n${more}\nfiles = ${value}`

/** Mistakes in routes that serve a folder. */
export const FILES_CASES: readonly Case[] = [
  ['key.type', 'a number for a folder', files('«7»')],
  ['key.missing', 'no folder', files('{ compress = true }').replace('files', '«files»')],
  ['key.unknown', 'a misspelt key of files', files('{ folder = "/srv", «tryfiles» = "index.html" }')],
  ['path.invalid', 'an ending that leads elsewhere', files('{ folder = "/srv", endings = «"/../x"» }')],
  [
    'route.target',
    'a page for what an upstream has',
    files(
      '{ folder = "/srv", «try_files» = "/index.html" }',
      'allow = "public"\nportal = "home"\nupstream = "http://app"',
    ),
  ],
  ['path.invalid', 'a fallback outside of the folder', files('{ folder = "/srv", try_files = "/«..»/index.html" }')],
  ['path.invalid', 'a fallback that is hidden', files('{ folder = "/srv", try_files = «"/.env"» }')],
  ['path.invalid', 'a folder as a fallback', files('{ folder = "/srv", try_files = «"/app/"» }')],
  ['files.cache_control', 'a sentence', files('{ folder = "/srv", cache_control = «"for a day"» }')],
  [
    'path.invalid',
    'a pattern without a slash',
    files('{ folder = "/srv", cache_control = { «"assets/*"» = "no-cache" } }'),
  ],
  ['files.cache_control', 'an empty table', files('{ folder = "/srv", cache_control = «{}» }')],
  [
    'shared_caches.needed',
    'what is for some, for shared caches, by a field',
    files(
      '"/srv"\nresponse_headers = { set = { Cache-Control = «"s-maxage=60"» } }',
      'allow = ["user"]\nportal = "home"',
    ),
  ],
  [
    'shared_caches.needed',
    'what is for some, for shared caches alone',
    files('"/srv"\nresponse_headers = { append = { X-Accel-Expires = «"60"» } }', 'allow = ["user"]\nportal = "home"'),
  ],
  [
    'files.cache_control',
    'what is for some, for shared caches',
    files('{ folder = "/srv", cache_control = «"public, max-age=60"» }', 'allow = ["user"]\nportal = "home"'),
  ],
]
