import { expect } from 'bun:test'
import { bearer, FORM, OWN_FORM } from './fields.ts'
import { fetchFrom, type Listening, sendForm, statusOf } from './requests.ts'

/** What stands on one sign-in: the session, a token of that person's and a guest link of theirs, by the fields that each comes with. */
export interface Belongings {
  readonly session: Readonly<Record<string, string>>
  readonly token: Readonly<Record<string, string>>
  readonly guest: Readonly<Record<string, string>>
}

/**
 * Makes a token and a guest link for `host`, as the person with this cookie, and opens the link. The portal has `personal_tokens`
 * and `guest_links`, and is mounted on `host`; the route takes all three.
 */
export async function collectBelongings(at: Listening, host: string, cookie: string): Promise<Belongings> {
  const fields = { ...OWN_FORM, host, cookie }
  const link = { act: 'create', name: 'aunt', hours: '24', uses: '1', address: `http://${host}/` }
  const tokens = await sendForm(at, 'tokens', fields, { act: 'create', name: 'script', days: '30' })
  const guests = await sendForm(at, 'guests', fields, link)
  const token = find(/sp_[A-Za-z0-9_-]{43}/, await tokens.text())
  const secret = find(/sg_[A-Za-z0-9_-]{43}/, await guests.text())
  const opened = await sendForm(at, 'guest', { ...FORM, host }, { link: secret })
  const guest = find(/^sallyport-guest[^;]*/, opened.headers.getSetCookie().join('\n'))
  return { session: { host, cookie }, token: { host, ...bearer(token) }, guest: { host, cookie: guest } }
}

function find(what: RegExp, text: string): string {
  const found = what.exec(text)?.[0]
  if (found === undefined) throw new Error(`no ${what} in ${text.slice(0, 300)}`)
  return found
}

/** What session, token and guest are answered, in this order. */
export function askAsAll(at: Listening, { session, token, guest }: Belongings): Promise<readonly number[]> {
  return Promise.all([session, token, guest].map(headers => statusOf(at, '/', headers)))
}

/** Opens an event stream by the fields of each; answers the names of those that are still open, in their order. */
export async function openStreams(
  at: Listening,
  comers: Readonly<Record<string, Readonly<Record<string, string>>>>,
  path = '/events',
): Promise<() => readonly string[]> {
  const open = new Set<string>()
  for (const [name, headers] of Object.entries(comers)) {
    const answer = await fetchFrom(at, path, headers)
    expect([name, answer.status]).toEqual([name, 200])
    const reader = answer.body?.getReader()
    await reader?.read()
    open.add(name)
    const readOn = async (): Promise<void> => {
      while ((await reader?.read())?.done === false);
    }
    void readOn()
      .catch(() => undefined)
      .finally(() => open.delete(name))
  }
  return () => [...open]
}

/** Opens an event stream as each of them; answers how many of these are still open. */
export async function streamAsAll(at: Listening, all: Belongings): Promise<() => number> {
  const open = await openStreams(at, { ...all })
  return () => open().length
}
