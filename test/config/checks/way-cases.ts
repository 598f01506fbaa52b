import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import type { World } from '../checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const authority = makeAuthority()
const files = {
  '/etc/sallyport/ca.pem': authority.cert,
  '/etc/sallyport/ca.key': authority.key,
  '/etc/sallyport/notes.txt': 'no PEM at all',
}

const provider = (keys: string) =>
  `[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = "s"\n${keys}\n`

/** What can be wrong with the way to a provider. */
export const WAY_CASES: readonly Case[] = [
  [
    'provider.internal_url',
    'plain HTTP in a network of one’s own',
    provider('internal_url = «"http://pocket-id:1411"»'),
  ],
  [
    'provider.internal_url',
    'an internal address with a path',
    provider('internal_url = "http://127.0.0.1:1«/realms/x»"'),
  ],
  ['provider.internal_url', 'an internal address without a scheme', provider('internal_url = «"pocket-id:1411"»')],
  ['provider.internal_url', 'a password in it', provider('internal_url = «"http://me:hunter2@pocket-id:1411"»')],
  [
    'provider.internal_url',
    'an authority for plain HTTP',
    provider('internal_url = "http://127.0.0.1:1411"\n«ca» = "ca.pem"'),
    { files },
  ],
  ['provider.file', 'an authority that is not there', provider('ca = «"none.pem"»'), { files }],
  ['provider.pem', 'an authority that is none', provider('ca = «"notes.txt"»'), { files }],
  ['provider.pem', 'a key for an authority', provider('ca = «"ca.key"»'), { files }],
]
