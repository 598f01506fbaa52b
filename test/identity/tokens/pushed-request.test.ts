import { beforeEach, expect, test } from 'bun:test'
import type { Code } from '../../../src/base/errors.ts'
import { ask } from '../../../src/console/network.ts'
import { readText } from '../../../src/console/read-file.ts'
import { createProviderPool } from '../../../src/identity/pool.ts'
import { quietPorts } from '../../kit/clock.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerConfig } from '../../kit/provider/config.ts'
import { refusal } from '../../kit/thrown.ts'

const LOGIN = {
  redirectUri: 'http://127.0.0.1/cb',
  state: 'the-state',
  nonce: 'the-nonce',
  codeVerifier: 'v'.repeat(43),
}

const keep = untilTheEnd()
const provider = keep(await startBadProvider())
let answer: () => Response = () => Response.json({})
const pushed: string[] = []
const endpoint = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      pushed.push(await request.text())
      return answer()
    },
  }),
)
const ENDPOINT = `http://127.0.0.1:${endpoint.port}/par`
beforeEach(() => void pushed.splice(0))

function begin(discovery: Record<string, unknown> = {}) {
  provider.behave({ discovery: { pushed_authorization_request_endpoint: ENDPOINT, ...discovery } })
  const ports = {
    ...quietPorts({ now: Date.now }),
    readText,
    ask,
  }
  return createProviderPool(ports)
    .client(providerConfig(provider, { par: 'always' }))
    .begin(LOGIN)
}

test('RFC 9126 §2.1: everything that is asked is pushed, once, and the address has what came back', async () => {
  answer = () => Response.json({ request_uri: 'urn:x?a=b&client_id=evil#c', expires_in: 60 }, { status: 201 })
  const address = new URL(await begin())
  expect([...address.searchParams]).toEqual([
    ['client_id', BAD_PROVIDER_CLIENT.clientId],
    ['request_uri', 'urn:x?a=b&client_id=evil#c'],
  ])
  const form = new URLSearchParams(pushed[0])
  expect(pushed).toHaveLength(1)
  expect(Object.fromEntries(form)).toMatchObject({ response_type: 'code', state: 'the-state', nonce: 'the-nonce' })
  expect(form.get('code_challenge_method')).toBe('S256')
})

test.each<[string, () => Response, Code]>([
  ['no request_uri', () => Response.json({ expires_in: 60 }, { status: 201 }), 'provider.request'],
  ['an empty one', () => Response.json({ request_uri: '', expires_in: 60 }, { status: 201 }), 'provider.request'],
  [
    'one with a space',
    () => Response.json({ request_uri: 'urn: x', expires_in: 60 }, { status: 201 }),
    'provider.request',
  ],
  [
    'an endless one',
    () => Response.json({ request_uri: 'u'.repeat(2000), expires_in: 60 }, { status: 201 }),
    'provider.request',
  ],
  ['another status', () => Response.json({ request_uri: 'urn:x', expires_in: 60 }), 'provider.request'],
  ['a page', () => new Response('<html>', { status: 201 }), 'provider.request'],
  ['a redirect', () => Response.redirect('https://evil.example/', 307), 'provider.request'],
  ['500', () => new Response('oops', { status: 500 }), 'provider.down'],
])('an answer with %s begins no sign-in', async (_, said, code) => {
  answer = said
  expect((await refusal(begin())).code).toBe(code)
  expect(pushed).toHaveLength(1)
})

test('what the provider repeats of the request is told without it', async () => {
  const error_description = 'state the-state and nonce the-nonce are bad'
  answer = () => Response.json({ error: 'invalid_request', error_description }, { status: 400 })
  const { facts } = await refusal(begin())
  expect(facts).toMatchObject({
    status: 400,
    provider_error: 'invalid_request',
    provider_says: 'state … and nonce … are bad',
  })
})

test('a provider without a place for it is asked in no other way', async () => {
  const error = await refusal(begin({ pushed_authorization_request_endpoint: undefined }))
  expect([error.code, pushed.length]).toEqual(['provider.discovery', 0])
})
