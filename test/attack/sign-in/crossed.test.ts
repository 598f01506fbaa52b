import { expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers } from '../../kit/toml.ts'

const PEOPLE = 50
const ROUNDS = 30

const keep = untilTheEnd()
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { headers } = request
      // Answers come back in another order than they were asked for.
      await Bun.sleep(Math.random() * 8)
      const told = ['x-token-subject', 'x-mine', 'x-token-user-roles', 'cookie'].map(name => headers.get(name))
      return Response.json([...told, await request.text()], {
        headers: { 'set-cookie': `for=${headers.get('x-mine')}` },
      })
    },
  }),
)
const gate = keep(
  await startGate(`${PORTAL}${routeForUsers(upstream, 'app.example', 'headers = "x-token"')}`, {
    sessions: 'cache = 10',
  }),
)

test('fifty people who ask all at once, on shared connections and out of a small memory, each get their own answers', async () => {
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, async (_, index) => {
      const sub = `person-${index}`
      const groups = index % 2 === 0 ? ['admins'] : []
      return {
        sub,
        roles: index % 2 === 0 ? 'user admin' : 'user',
        cookie: (await gate.signIn('app.example', { sub, groups })).cookie,
      }
    }),
  )
  let crossed = 0
  async function ask({ sub, roles, cookie }: (typeof people)[number], round: number): Promise<void> {
    const body = `${sub} in round ${round}`
    const response = await fetch(`http://127.0.0.1:${gate.port}/${sub}`, {
      method: 'POST',
      headers: { host: 'app.example', cookie: `mine=${sub}; ${cookie}`, 'x-mine': sub },
      body,
    })
    const told = JSON.stringify(await response.json())
    // Beside it a host notes who was last there.
    const set = response.headers.getSetCookie().filter(cookie => !cookie.startsWith('sallyport-last='))
    if (told !== JSON.stringify([sub, sub, roles, `mine=${sub}`, body]) || set.join() !== `for=${sub}`) crossed++
  }
  for (let round = 0; round < ROUNDS; round++) await Promise.all(people.map(person => ask(person, round)))
  expect(crossed).toBe(0)
}, 300_000)

test('what strangers send is not kept: thousands of made-up hosts, paths, cookies and tokens cost no memory for long', async () => {
  const send = async (from: number, until: number) => {
    for (let index = from; index < until; index += 20) {
      await Promise.all(
        Array.from({ length: 20 }, async (_, offset) => {
          const n = index + offset
          const id = n.toString(36).padStart(43, 'A')
          const answer = await fetch(`http://127.0.0.1:${gate.port}/x${n}?q=${n}`, {
            redirect: 'manual',
            headers: {
              host: n % 2 === 0 ? `h${n}.example` : 'app.example',
              cookie: `sallyport=${id}; sallyport-guest-abc=${id}; c${n}=${'v'.repeat(200)}`,
              ...(n % 3 === 0 ? { authorization: `Bearer sp_${id}` } : {}),
              [`x-made-up-${n}`]: 'y'.repeat(500),
              'user-agent': `agent ${n}`,
              'accept-language': `l${n}`,
              origin: `https://o${n}.example`,
            },
          })
          await answer.body?.cancel()
        }),
      )
    }
    gate.forgetLogs()
    Bun.gc(true)
    return process.memoryUsage().heapUsed
  }
  const growth: number[] = []
  let before = await send(0, 4000)
  for (let round = 1; round <= 4; round++) {
    const after = await send(round * 4000, (round + 1) * 4000)
    growth.push(after - before)
    before = after
  }
  // Four thousand requests of a kilobyte each. What is kept grows every round; the other tests of this process come and go.
  expect(Math.min(...growth)).toBeLessThan(300_000)
}, 300_000)
