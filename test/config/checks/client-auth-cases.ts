import { generateKeyPairSync } from 'node:crypto'
import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import type { World } from '../checks.ts'

type Case = readonly [code: DiagnosticCode, title: string, fragment: string, world?: World]

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const files = {
  '/etc/sallyport/key.pem': String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  '/etc/sallyport/notes.txt': 'no key at all',
  '/etc/sallyport/token': 'a.b.c',
}

const provider = (keys: string) => `[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n${keys}\n`

/** What can be wrong with how a client proves itself. */
export const CLIENT_AUTH_CASES: readonly Case[] = [
  [
    'client_auth.several',
    'a key beside a secret',
    provider('client_secret = "s"\n«client_key» = "key.pem"'),
    { files },
  ],
  [
    'client_auth.several',
    'an assertion beside a key',
    provider('«client_assertion_file» = "token"\nclient_key = "key.pem"'),
    { files },
  ],
  [
    'client_auth.secret',
    'a key that nobody uses',
    provider('client_auth = «"none"»\nclient_key = "key.pem"'),
    { files },
  ],
  [
    'client_auth.secret',
    'a key where a secret is sent',
    provider('client_auth = «"client_secret_post"»\nclient_key = "key.pem"'),
    { files },
  ],
  [
    'client_auth.secret',
    'a secret where a key signs',
    provider('client_auth = «"private_key_jwt"»\nclient_secret = "s"'),
  ],
  ['client_auth.secret', 'no key to sign with', provider('client_auth = «"private_key_jwt"»')],
  [
    'client_auth.secret',
    'an audience of what others sign',
    provider('client_assertion_file = "token"\n«client_assertion_audience» = "https://id.example.com/token"'),
    { files },
  ],
  ['provider.file', 'a key that is not there', provider('client_key = «"none.pem"»'), { files }],
  ['provider.pem', 'a key that is none', provider('client_key = «"notes.txt"»'), { files }],
  ['provider.file', 'an assertion that is not there yet', provider('client_assertion_file = «"none"»'), { files }],
  ['key.not_built', 'a secret of a file as a key of its own', provider('«client_secret_file» = "s"')],
]
