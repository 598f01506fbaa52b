import { describe, expect, test } from 'bun:test'
import { FORMATS, findFormat } from '../../../src/migrate/rehearse/formats.ts'
import type { LoggedRequest } from '../../../src/migrate/rehearse/logged.ts'
import { LOGGED } from '../../kit/log/logged.ts'

const AT = Date.parse('2026-11-24T19:41:48Z')

/** A request as most of these lines have it. */
const REQUEST: LoggedRequest = {
  ...LOGGED,
  atMs: AT,
  client: '192.0.2.7',
  address: '/settings?tab=1',
  user: 'ada@example.com',
}

const REST = '"https://app.example.com/" "Mozilla/5.0 (X11; \\"Linux\\")"'

/** Lines by their formats, each with what a request in it is but for what most of them are. */
const LINES: readonly (readonly [
  format: string,
  what: string,
  line: string,
  change: Partial<LoggedRequest> | 'other',
])[] = [
  [
    'caddy',
    'a request',
    '{"level":"info","ts":1795549308,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"10.0.0.1","remote_port":"4","client_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"app.example.com","uri":"/settings?tab=1","headers":{"Cookie":["REDACTED"]}},"bytes_read":0,"user_id":"ada@example.com","duration":0.1,"size":9,"status":200,"resp_headers":{}}',
    {},
  ],
  [
    'caddy',
    'a request of nobody, by an older one',
    '{"level":"error","ts":"2026-11-24T19:41:48Z","logger":"http.log.access","msg":"handled request","request":{"remote_addr":"192.0.2.7:51","method":"POST","host":"app.example.com:8443","uri":"/settings?tab=1"},"user_id":"","status":502}',
    { method: 'POST', host: 'app.example.com:8443', user: null, status: 502 },
  ],
  [
    'caddy',
    'another line',
    '{"level":"info","ts":1795549308.1,"logger":"admin","msg":"admin endpoint started"}',
    'other',
  ],
  [
    'combined',
    'a request',
    `192.0.2.7 - ada@example.com [24/Nov/2026:20:41:48 +0100] "GET /settings?tab=1 HTTP/1.1" 200 512 ${REST}`,
    { host: null },
  ],
  [
    'combined',
    'a request in the common format',
    '2001:db8::7 - - [24/Nov/2026:19:41:48 +0000] "GET /settings?tab=1 HTTP/2.0" 304 -',
    { host: null, client: '2001:db8::7', user: null, status: 304 },
  ],
  [
    'combined',
    'a request with its virtual host, by a user whose name has a blank',
    `app.example.com:443 192.0.2.7 - Ada Byron [24/Nov/2026:19:41:48 +0000] "GET /settings?tab=1 HTTP/1.1" 200 5 ${REST}`,
    { host: 'app.example.com:443', user: 'Ada Byron' },
  ],
  [
    'combined',
    'a request with what had to be escaped',
    `192.0.2.7 - - [24/Nov/2026:19:41:48 +0000] "GET /a\\x22b\\"c\\xC3\\xA9 HTTP/1.1" 200 5 ${REST}`,
    { host: null, user: null, address: '/a%22b%22c%C3%A9' },
  ],
  [
    'combined',
    'what was no HTTP',
    '192.0.2.7 - - [24/Nov/2026:19:41:48 +0000] "\\x16\\x03\\x01" 400 157 "-" "-"',
    'other',
  ],
  [
    'oauth2-proxy',
    'a request',
    '192.0.2.7 - 0b8e6a1c-6ac0-4a52 - ada@example.com [24/Nov/2026:19:41:48 +0000] app.example.com GET app:3000 "/settings?tab=1" HTTP/1.1 "Mozilla/5.0 \\"x\\"" 200 512 0.011',
    { isForwarded: true },
  ],
  [
    'oauth2-proxy',
    'a request that it answered by itself, without an id',
    '192.0.2.7 - - [24/Nov/2026:19:41:48 +0000] app.example.com GET - "/oauth2/start?rd=%2F" HTTP/1.1 "" 302 340 0.000',
    { user: null, status: 302, address: '/oauth2/start?rd=%2F', isForwarded: false },
  ],
  [
    'oauth2-proxy',
    'a sign-in',
    '192.0.2.7:80 - 0b8e6a1c - ada@example.com [2026/11/24 19:41:48] [AuthSuccess] Authenticated via OAuth2',
    'other',
  ],
  [
    'oauth2-proxy',
    'a line about itself',
    '[2026/11/24 19:41:48] [oauthproxy.go:170] Cookie settings: name:_oauth2_proxy',
    'other',
  ],
  [
    'sallyport',
    'a request',
    '{"time":"2026-11-24T19:41:48.000Z","level":"info","message":"request","id":"a1","client":"192.0.2.7","method":"GET","host":"app.example.com","path":"/settings","route":"app.example.com/","user":"ada-1","status":200,"ms":3}',
    { address: '/settings', user: 'ada-1' },
  ],
  [
    'sallyport',
    'another line',
    '{"time":"2026-11-24T19:41:48.000Z","level":"info","message":"Sallyport is listening"}',
    'other',
  ],
  [
    'traefik',
    'a request',
    '{"ClientHost":"192.0.2.7","ClientUsername":"-","DownstreamStatus":200,"OriginStatus":200,"RequestHost":"app.example.com","RequestMethod":"GET","RequestPath":"/settings?tab=1","StartUTC":"2026-11-24T19:41:48Z","level":"info","msg":"","time":"2026-11-24T19:41:48Z"}',
    { user: null, isForwarded: true },
  ],
  [
    'traefik',
    'a request that a middleware answered',
    '{"ClientHost":"192.0.2.7","ClientUsername":"-","DownstreamStatus":401,"OriginStatus":0,"RequestHost":"app.example.com","RequestMethod":"GET","RequestPath":"/settings?tab=1","StartUTC":"2026-11-24T19:41:48Z","level":"info"}',
    { user: null, status: 401, isForwarded: false },
  ],
  [
    'haproxy',
    'a request with what had to be escaped',
    '192.0.2.7:48510 [24/Nov/2026:19:41:48.584 +0000] web apps/app1 0/0/0/6/6 200 120 - - ---- 1/1/0/0/0 0/0 {app.example.com|x #7By#7D #22z} "GET /a#22b HTTP/1.1"',
    { user: null, isForwarded: true, address: '/a%22b' },
  ],
  [
    'haproxy',
    'a request that it refused itself',
    '192.0.2.7:48492 [24/Nov/2026:19:41:48.402 +0000] web web/<NOSRV> 0/-1/-1/-1/0 403 192 - - PR-- 1/1/0/0/0 0/0 {app.example.com|curl/8.14.1} "GET /settings?tab=1 HTTP/1.1"',
    { user: null, status: 403, isForwarded: false },
  ],
  [
    'haproxy',
    'a request with its host captured',
    '192.0.2.7:5000 [24/Nov/2026:19:41:48.123 +0000] web~ apps/app1 0/0/1/5/6 200 512 - - ---- 1/1/0/0/0 0/0 {app.example.com|Mozilla} "GET /settings?tab=1 HTTP/1.1"',
    { user: null, isForwarded: true },
  ],
]

describe('a line of a log', () => {
  test.each(LINES)('%s: %s', (name, _, line, change) => {
    const format = FORMATS.find(one => one.name === name)
    expect(format?.read(line)).toEqual(change === 'other' ? change : { ...REQUEST, ...change })
  })

  test.each(LINES)('%s: %s is told from other formats', (name, _, line, change) => {
    if (change !== 'other') expect(findFormat(['', 'starting', line])?.name).toBe(name)
  })

  test('behind what docker compose or syslog put before it is read all the same', () => {
    const [line = ''] = LINES.flatMap(([name, , text]) => (name === 'oauth2-proxy' ? [text] : []))
    expect(findFormat([`gate-1  | ${line}`])?.name).toBe('oauth2-proxy')
    expect(findFormat([`Nov 24 19:41:48 box oauth2-proxy[217]: ${line}`])?.name).toBe('oauth2-proxy')
  })

  test('that is no request of anything known has no format', () => {
    for (const line of [
      '',
      'GET /',
      '{}',
      '{"level":"info"}',
      '[]',
      '{"logger":"http.log.access","ts":1e99,"request":{"method":"GET","uri":"/"},"status":200}',
      '192.0.2.7 - - [yesterday] "GET / HTTP/1.1" 200 5',
    ]) {
      expect(findFormat([line])).toBeNull()
    }
  })

  test('without an offset has the time of this machine', () => {
    const line = '192.0.2.7 - - [2026/11/24 19:41:48] app.example.com GET app:3000 "/" HTTP/1.1 "" 200 5 0.000'
    expect(findFormat([line])?.read(line)).toMatchObject({ atMs: new Date(2026, 10, 24, 19, 41, 48).getTime() })
  })
})
