import { expect } from 'bun:test'
import type { Gate } from './gate.ts'

/** What stands on one sign-in: the session, a token of that person's and a guest link of theirs, by the fields that each comes with. */
export interface Belongings {
  readonly session: Readonly<Record<string, string>>
  readonly token: Readonly<Record<string, string>>
  readonly guest: Readonly<Record<string, string>>
}

/** An application with pages, and with an event stream at `/events` that never ends by itself. Pairs with `stop`. */
export function startEvents(): Bun.Server<undefined> {
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch(request) {
      if (new URL(request.url).pathname !== '/events') return new Response('a page')
      const body = new ReadableStream({
        start: controller => controller.enqueue(new TextEncoder().encode('data: begun\n\n')),
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    },
  })
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }

/**
 * Makes a token and a guest link for `host`, as the person with this cookie, and opens the link. The portal has `personal_tokens`
 * and `guest_links`, and is mounted on `host`; the route takes all three.
 */
export async function collectBelongings(gate: Gate, host: string, cookie: string): Promise<Belongings> {
  const post = (page: string, form: Record<string, string>, headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${gate.port}/.sallyport/${page}`, {
      method: 'POST',
      headers: { ...FORM, host, ...headers },
      body: new URLSearchParams(form).toString(),
      redirect: 'manual',
    })
  const link = { act: 'create', name: 'aunt', hours: '24', uses: '1', address: `http://${host}/` }
  const tokens = await post('tokens', { act: 'create', name: 'script', days: '30' }, { cookie })
  const guests = await post('guests', link, { cookie })
  const token = find(/sp_[A-Za-z0-9_-]{43}/, await tokens.text())
  const secret = find(/sg_[A-Za-z0-9_-]{43}/, await guests.text())
  const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  const opened = await post('guest', { link: secret }, page)
  const guest = find(/^sallyport-guest[^;]*/, opened.headers.getSetCookie().join('\n'))
  return {
    session: { host, cookie },
    token: { host, authorization: `Bearer ${token}` },
    guest: { host, cookie: guest },
  }
}

function find(what: RegExp, text: string): string {
  const found = what.exec(text)?.[0]
  if (found === undefined) throw new Error(`no ${what} in ${text.slice(0, 300)}`)
  return found
}

/** What session, token and guest are answered, in this order. */
export function askAsAll(gate: Gate, { session, token, guest }: Belongings): Promise<readonly number[]> {
  return Promise.all(
    [session, token, guest].map(async headers => {
      const answer = await fetch(`http://127.0.0.1:${gate.port}/`, { headers, redirect: 'manual' })
      await answer.body?.cancel()
      return answer.status
    }),
  )
}

/** Opens an event stream as each of them; answers how many of these are still open. */
export async function streamAsAll(gate: Gate, { session, token, guest }: Belongings): Promise<() => number> {
  let open = 0
  for (const headers of [session, token, guest]) {
    const answer = await fetch(`http://127.0.0.1:${gate.port}/events`, { headers, redirect: 'manual' })
    expect(answer.status).toBe(200)
    const reader = answer.body?.getReader()
    await reader?.read()
    open++
    const readOn = async (): Promise<void> => {
      while ((await reader?.read())?.done === false);
    }
    void readOn()
      .catch(() => undefined)
      .finally(() => open--)
  }
  return () => open
}
