import { describe, expect, test } from 'bun:test'
import { untilTheEnd } from '../kit/opened.ts'
import { openStand, PORTAL } from './stand.ts'

const keep = untilTheEnd()
const stand = keep(await openStand())

const READ = 'GET, HEAD'
const BOTH = 'GET, HEAD, POST'

/** Each address of ours, what it takes, and whether loading it sets something in motion. */
const ADDRESSES = [
  { page: '', allow: READ },
  { page: 'login', allow: 'GET, HEAD, POST', acts: true },
  { page: 'callback', allow: READ, acts: true },
  { page: 'enter', allow: READ, acts: true },
  { page: 'logout', allow: BOTH, acts: true },
  { page: 'provider-logout', allow: READ, acts: true },
  { page: 'signed-out', allow: READ },
  { page: 'backchannel-logout', allow: 'POST' },
  { page: 'frontchannel-logout', allow: READ, acts: true },
  { page: 'me', allow: READ },
  { page: 'sessions', allow: BOTH },
  { page: 'tokens', allow: BOTH },
  { page: 'guests', allow: BOTH },
  { page: 'guest', allow: BOTH },
  { page: 'kept', allow: BOTH },
  { page: 'admin', allow: BOTH },
  { page: 'again', allow: 'POST' },
  { page: 'ask', allow: BOTH },
  { page: 'jwks.json', allow: READ },
  { page: 'client-jwks.json', allow: READ },
] as const

describe('what each address of ours takes', () => {
  const ask = (method: string, page: string, headers: Readonly<Record<string, string>> = {}) =>
    stand.ask(method, `${PORTAL}/.sallyport/${page}`, headers)

  test.each(ADDRESSES)('RFC 9110 §15.5.6: another method than those of "$page" is told which there are', async one => {
    for (const method of ['PUT', 'DELETE', ...(one.allow.includes('POST') ? [] : ['POST'])]) {
      const answer = await ask(method, one.page)
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, one.allow])
    }
    for (const method of ['GET', 'HEAD']) {
      const isTaken = (await ask(method, one.page)).status !== 405
      expect([method, isTaken]).toEqual([method, one.allow.includes('GET')])
    }
  })

  test.each(ADDRESSES)(
    'RFC 9110 §9.3.2: a HEAD of "$page" sets nothing in motion, and says no more than GET would',
    async one => {
      const head = await ask('HEAD', one.page)
      expect(await head.text()).toBe('')
      expect(head.status).toBe('acts' in one ? 204 : (await ask('GET', one.page)).status)
    },
  )

  test.each(ADDRESSES)('a browser that fetches ahead sets nothing in motion at "$page"', async one => {
    const headers = { accept: 'text/html', 'sec-purpose': 'prefetch', 'sec-fetch-mode': 'navigate' }
    const isRefused = (await ask('GET', one.page, headers)).status === 503
    expect(isRefused).toBe('acts' in one)
  })

  test.each(['nothing', 'icons', 'icons/none', 'me/', 'login/x'])(
    'nothing is at "%s", whatever the method',
    async page => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT']) {
        const isIcon = page === 'icons/none' && (method === 'GET' || method === 'HEAD')
        expect([method, (await ask(method, page)).status]).toEqual([method, isIcon ? 401 : 404])
      }
    },
  )
})
