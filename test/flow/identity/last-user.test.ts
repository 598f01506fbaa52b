/** An application that is told who is there, and keeps a session of its own: whose it is when another user comes by the same browser. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { fakeClock } from '../../kit/clock.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { hasHead, openWire } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/** The Cookie field of each request that the application got; null for none. */
const got: (string | null)[] = []
/** What it sets with its next answers. */
let sets: string[] = []
let control = ''
const app = keep(
  await startApp((request, response) => {
    got.push(request.headers.cookie ?? null)
    if (sets.length > 0) response.setHeader('set-cookie', sets)
    if (control !== '') response.setHeader('cache-control', control).setHeader('surrogate-control', 'max-age=600')
    response.end('ok')
  }),
)
const route = (host: string, more: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "home"\nallow = ["user"]\n${more}\n`
const gate = keep(
  await startGate(`${PORTAL}
${route('told.apps.example', 'headers = "remote"')}
${route('told.apps.example', 'path = "/in"\nheaders = "remote"')}
${route('set.apps.example', 'assertion = { audience = "a" }\nend_user_sessions = true')}
${route('off.apps.example', 'headers = "remote"\nend_user_sessions = false')}
${route('cached.apps.example', 'headers = "remote"\nshared_caches = true')}
${route('own.apps.example', '')}
${route('none.apps.example', 'headers = "none"')}
${route('open.apps.example', 'headers = "remote"\ntokens = true').replace('["user"]', '"public"')}
`),
)
beforeEach(() => {
  got.length = 0
  sets = []
  control = ''
})

/** A request by whoever's cookie this is, in a browser that has these. */
async function visit(host: string, who: string, cookies: string, path = '/') {
  const answer = await fetchFrom(gate, path, { host, cookie: [who, cookies].filter(one => one !== '').join('; ') })
  const set = answer.headers.getSetCookie()
  const last = set.find(one => one.startsWith('sallyport-last='))?.split(';', 1)[0] ?? null
  return { answer, last, set: set.filter(one => !one.startsWith('sallyport-last=')), got: got.at(-1) }
}

const user = async (host: string, sub: string) => (await gate.signIn(host, { sub })).cookie
const gone = (name: string, path = '/', more = '') => `${name}=; Path=${path}; Max-Age=0${more}`
const CLEAR = 'clear-site-data'

/** A browser in which Ada was, with what it has of her. */
async function leave(host: string, path = '/') {
  const { last, set } = await visit(host, await user(host, 'ada'), 'sid=ada', path)
  return { last: last ?? '', set }
}

describe('the first request of another user', () => {
  const host = 'told.apps.example'

  test('reaches the application without its cookies, and takes these and what its pages stored away', async () => {
    const { last } = await leave(host)
    expect(last).not.toBe('')
    const grace = await user(host, 'grace')
    sets = ['sid=grace; Path=/; HttpOnly']
    const first = await visit(host, grace, `sid=ada; ${last}; theme=dark`)
    expect(first.got).toBeNull()
    expect(first.set).toEqual([gone('sid'), gone('theme'), 'sid=grace; Path=/; HttpOnly'])
    expect([first.answer.headers.get(CLEAR), first.answer.headers.get('cache-control')]).toEqual([
      '"storage"',
      'no-store',
    ])
    // Who was there stays unsaid, and whoever is there is noted.
    expect(first.last).not.toBe(last)
    sets = []
    const second = await visit(host, grace, `sid=grace; ${first.last}`)
    expect([second.got, second.set, second.last, second.answer.headers.get(CLEAR)]).toEqual([
      'sid=grace',
      [],
      null,
      null,
    ])
  })

  test('is any kind of one, whatever comes before the page: a WebSocket brings no cookies either', async () => {
    const { last } = await leave(host)
    const wire = await openWire(gate.port)
    await wire.send(askForWebSocket(host, '/', [`Cookie: ${await user(host, 'grace')}; sid=ada; ${last}`]))
    await wire.receive({ until: hasHead })
    wire.close()
    expect(got.at(-1)).toBeNull()
  })

  test('is no other one: the same user in a new session, or a browser in which nobody was', async () => {
    const { last } = await leave(host)
    const again = await visit(host, await user(host, 'ada'), `sid=ada; ${last}`)
    expect([again.got, again.set, again.last, again.answer.headers.get(CLEAR)]).toEqual(['sid=ada', [], null, null])
    const fresh = await visit(host, await user(host, 'grace'), 'sid=x')
    expect([fresh.got, fresh.set, fresh.answer.headers.get(CLEAR)]).toEqual(['sid=x', [], null])
    expect(fresh.last).not.toBeNull()
  })

  test('takes cookies of a parent domain only where this application set them, each where it is', async () => {
    sets = [
      'wide=1; Domain=apps.example; Path=/',
      'deep=1; Path=/in/deep',
      'deeper=1; Path=/in/deep',
      'deep=2; Path=/in/deep',
      'bare=1',
    ]
    const before = await leave(host, '/a/b/page')
    expect(before.set).toEqual(sets)
    sets = []
    const first = await visit(host, await user(host, 'grace'), `sid=ada; wide=1; others=1; ${before.last}`)
    expect(first.set).toEqual([
      gone('sid'),
      gone('wide'),
      gone('others'),
      gone('wide', '/', '; Domain=apps.example'),
      gone('deep', '/in/deep'),
      gone('deeper', '/in/deep'),
      gone('bare', '/a/b'),
    ])
  })

  test('takes those that a later answer sets, to a request like the ones before', async () => {
    const { cookie } = await gate.signIn(host, { sub: 'ada' })
    const first = await visit(host, cookie, 'sid=ada')
    const brought = `sid=ada; ${first.last}`
    const same = [await visit(host, cookie, brought, '/a/page'), await visit(host, cookie, brought, '/b/page')]
    expect(same.map(({ last, got }) => [last, got])).toEqual([
      [null, 'sid=ada'],
      [null, 'sid=ada'],
    ])
    sets = ['deep=1']
    const later = await visit(host, cookie, brought, '/c/page')
    sets = []
    expect([later.set, later.last === first.last]).toEqual([['deep=1'], false])
    const other = await visit(host, await user(host, 'grace'), `sid=ada; ${later.last}`)
    expect([other.got, other.set]).toEqual([null, [gone('sid'), gone('deep', '/c')]])
    // The browser of one user is not another's, though their cookies are the same but for the session.
    const again = await visit(host, cookie, `sid=ada; ${other.last}`)
    expect([again.got, again.answer.headers.get(CLEAR)]).toEqual([null, '"storage"'])
  })

  test('takes those at the path of its route too', async () => {
    const { last } = await leave(host, '/in')
    const first = await visit(host, await user(host, 'grace'), `sid=ada; ${last}`, '/in/page')
    expect(first.set).toEqual([gone('sid'), gone('sid', '/in'), gone('sid', '/in/')])
  })

  test('leaves what is no name, and what are too many, and says so', async () => {
    const { last } = await leave(host)
    const many = Array.from({ length: 60 }, (_, index) => `c${index}=1`).join('; ')
    gate.forgetLogs()
    const first = await visit(host, await user(host, 'grace'), `${last}; a b=1; noname; __Host-x=1; ${many}`)
    expect(first.set).toHaveLength(50)
    expect(first.set.slice(0, 2)).toEqual([gone('__Host-x'), gone('c0')])
    expect(gate.told('Cookies of the user before stay', '"left":13')).toHaveLength(1)
    expect((await visit(host, await user(host, 'ada'), '')).answer.status).toBe(200)
  })

  test.each([
    ['of another user, and nothing else', '.0.', []],
    [
      'with places that are none',
      `.0.${Buffer.from('[["a","x",""],["a b","/",""],["b","/","evil.example"],["c","/x",""],1]').toString('base64url')}`,
      [gone('c', '/x')],
    ],
    ['with what is no JSON', '.0.AAAA', []],
  ])('takes nothing that a forged note names elsewhere: one %s', async (_, rest, more) => {
    const first = await visit(host, await user(host, 'grace'), `sid=ada; sallyport-last=AAAAAAAA${rest}`)
    expect([first.answer.status, first.set]).toEqual([200, [gone('sid'), ...more]])
  })
})

test.each([
  ['a route that says so', 'set.apps.example', true],
  ['a route with headers', 'told.apps.example', true],
  ['a public one with headers', 'open.apps.example', true],
  ['one that says false', 'off.apps.example', false],
  ['an application with accounts of its own', 'own.apps.example', false],
  ['one that says headers = "none"', 'none.apps.example', false],
])('who was last is looked at for %s', async (_, host, isLooked) => {
  const { last } = await leave(host)
  expect(last !== '').toBe(isLooked)
  const first = await visit(host, await user(host, 'grace'), `sid=ada; ${last || 'sallyport-last=AAAAAAAA.0.'}`)
  expect(first.got).toBe(isLooked ? null : 'sid=ada')
  expect(first.answer.headers.get(CLEAR)).toBe(isLooked ? '"storage"' : null)
})

test('a shared cache keeps no answer that says who was last, whatever else it may keep', async () => {
  const host = 'cached.apps.example'
  control = 'public, max-age=600'
  const ada = await visit(host, await user(host, 'ada'), 'sid=ada')
  const again = await visit(host, await user(host, 'ada'), `sid=ada; ${ada.last}`)
  const grace = await visit(host, await user(host, 'grace'), `sid=ada; ${ada.last}`)
  expect([ada, again, grace].map(({ answer }) => answer.headers.get('cache-control'))).toEqual([
    'private, max-age=600',
    'public, max-age=600',
    'no-store',
  ])
  expect([ada, again, grace].map(({ answer }) => answer.headers.get('surrogate-control'))).toEqual([
    null,
    'max-age=600',
    null,
  ])
})

test('nobody in particular ends nobody’s session, and is not noted', async () => {
  const { last } = await leave('open.apps.example')
  const first = await visit('open.apps.example', '', `sid=ada; ${last}`)
  expect([first.got, first.set, first.last]).toEqual(['sid=ada', [], null])
})

test('by HTTPS each is removed as a browser lets it be', async () => {
  await using secure = await startGate(
    `${PORTAL.replace('insecure_cookies = true', '')}${route('safe.example', 'path = "/in"\nheaders = "remote"')}`,
  )
  const ask = async (sub: string, cookies: string) => {
    const cookie = `__Host-${(await secure.signIn('safe.example', { sub })).cookie}; ${cookies}`
    return (await fetchFrom(secure, '/in/', { host: 'safe.example', cookie })).headers.getSetCookie()
  }
  const [last = ''] = await ask('ada', '')
  expect(last).toMatch(/^__Host-sallyport-last=[^;]+; Path=\/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax$/)
  const set = await ask('grace', `__Host-a=1; __Secure-b=1; ${last.split(';', 1)[0]}`)
  expect(set.slice(0, -1)).toEqual([
    gone('__Host-a', '/', '; Secure'),
    ...['/', '/in', '/in/'].map(path => gone('__Secure-b', path, '; Secure')),
  ])
})

test('the note of who was last is written anew once in thirty days, so that it outlives a browser’s patience', async () => {
  const DAY_MS = 24 * 60 * 60_000
  const clock = fakeClock(683 * 30 * DAY_MS)
  const host = 'told.apps.example'
  await using later = await startGate(PORTAL + route(host, 'headers = "remote"'), { ports: { now: clock.now } })
  let note = ''
  const isWritten = async () => {
    const { cookie } = await later.signIn(host, { sub: 'ada' })
    const answer = await fetchFrom(later, '/', { host, cookie: `${cookie}; ${note}` })
    const last = answer.headers.getSetCookie().find(one => one.startsWith('sallyport-last='))
    note = last?.split(';', 1)[0] ?? note
    return last !== undefined
  }
  const written = [await isWritten(), await isWritten()]
  for (const days of [29, 1, 29, 1]) {
    clock.advance(days * DAY_MS)
    written.push(await isWritten())
  }
  expect(written).toEqual([true, false, false, true, false, true])
})
