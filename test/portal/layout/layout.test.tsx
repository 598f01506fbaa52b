import { describe, expect, test } from 'bun:test'
import { createLog } from '../../../src/base/log.ts'
import type { Brand } from '../../../src/config/resolve/portals.ts'
import { columns } from '../../../src/console/terminal.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { ApplicationsPage } from '../../../src/portal/account/applications.tsx'
import { type AskableRole, renderDeniedPage } from '../../../src/portal/denied-page.tsx'
import { renderErrorPage } from '../../../src/portal/error-page.tsx'
import { drawPage } from '../../../src/portal/layout/draw-page.tsx'
import { dayOf, Moment, momentOf } from '../../../src/portal/layout/time.tsx'
import { problemResponse } from '../../../src/portal/problem.ts'
import { SignInPage } from '../../../src/portal/sign-in/sign-in-page.tsx'
import { EN } from '../../../src/portal/words/en.ts'
import type { Session } from '../../../src/session/session.ts'
import { htmlPage } from '../../kit/html.ts'
import { portalConfig, portalRequest } from '../config.ts'

const MARKUP = '<b onclick="x">&\'"'

const portal = portalConfig()

const contextAt = (address: string) => portalRequest(new Request(address), new URL(address))

function sessionOf(claims: Record<string, unknown>): Session {
  const identity = makeIdentity('pocket-id', 'https://id.example.com', 'subject-1', claims)
  return { id: 's', portal: 'home', identity, isRemembered: false, createdAtMs: 0, expiresAtMs: 1 }
}

describe('the page of an error', () => {
  test('shows its sentence and the reference, escaped, with its status', async () => {
    const answer = renderErrorPage({
      words: EN,
      portal: null,
      status: 404,
      title: MARKUP,
      detail: MARKUP,
      reference: MARKUP,
    })
    const page = htmlPage(await answer.text())
    expect(answer.status).toBe(404)
    expect(['title', 'h1', '.soft', '.operators code'].map(selector => page.one(selector).text)).toEqual(
      ['title', 'h1', '.soft', '.operators code'].map(() => MARKUP),
    )
    expect(page.has('b, script, meta[http-equiv]')).toBe(false)
    expect(answer.headers.get('content-security-policy')).not.toContain('script-src')
  })

  test('counts down to the next try where that makes sense, not faster than one can read', async () => {
    const answer = renderErrorPage({ words: EN, portal: null, status: 503, title: 'x', reference: 'r', retryAfterS: 1 })
    expect(answer.headers.get('retry-after')).toBe('1')
    const page = htmlPage(await answer.text())
    const again = page.one('[data-again]')
    expect([again.text, again.attribute('data-again'), again.attribute('href')]).toEqual(['Try again', '3', ''])
    expect(page.one('[data-stop]').attribute('hidden')).toBe('')
    expect(page.has('meta[http-equiv]')).toBe(false)
    const script = page.one('script').lines
    const hash = new Bun.CryptoHasher('sha256').update(script).digest('base64')
    expect(answer.headers.get('content-security-policy')).toContain(`script-src 'sha256-${hash}'`)
    const other = renderErrorPage({
      portal: null,
      words: EN,
      status: 503,
      title: 'x',
      reference: 'r',
      retryAfterS: 9,
      actions: [{ label: EN.tryAgain, address: '/a?b=1&c' }],
    })
    const later = htmlPage(await other.text()).one('[data-again]')
    expect([later.attribute('data-again'), later.attribute('href')]).toEqual(['9', '/a?b=1&c'])
  })
})

describe('the look of a portal', () => {
  const svg = 'data:image/svg+xml;base64,PHN2Zy8+'
  const brand: Brand = {
    logo: svg,
    logoDark: null,
    colours: { light: { accent: '#34624f', tint: '#eaeeea' }, dark: { accent: '#86d2c2', tint: '#273433' } },
  }

  test('is its logo, as an image that runs nothing, and its colours, by the policy’s hash', async () => {
    const answer = renderErrorPage({ words: EN, portal: { ...portal, brand }, status: 404, title: 'x', reference: 'r' })
    const page = htmlPage(await answer.text())
    expect(['src', 'alt'].map(name => page.one('img.mark').attribute(name))).toEqual([svg, ''])
    const styles = page.all('style').map(({ lines }) => lines)
    expect(styles).toHaveLength(2)
    expect(styles[1]).toContain('--accent:#34624f')
    const policy = answer.headers.get('content-security-policy') ?? ''
    for (const style of styles) {
      expect(policy).toContain(`'sha256-${new Bun.CryptoHasher('sha256').update(style).digest('base64')}'`)
    }
    expect(policy).toStartWith("default-src 'none'; style-src 'sha256-")
    expect(policy).not.toContain('unsafe')
  })

  test('ends with the page: the next one without it has the gate', async () => {
    await renderErrorPage({ words: EN, portal: { ...portal, brand }, status: 404, title: 'x', reference: 'r' }).text()
    const plain = await renderErrorPage({ words: EN, portal: null, status: 404, title: 'x', reference: 'r' }).text()
    expect(htmlPage(plain).has('img')).toBe(false)
    expect(plain).not.toContain('#34624f')
  })
})

describe('the page of a refusal', () => {
  const denied = async (claims: Record<string, unknown>, address = 'https://kuma.example.com/d/1?x=1') =>
    htmlPage(
      await renderDeniedPage(contextAt(address), sessionOf(claims), {
        needed: ['admin'],
        had: ['user'],
        reasons: ['It is open only from <certain> networks.'],
        asking: [],
        routeName: 'Kuma',
      }).text(),
    )

  test('says who is signed in, which role is missing, and offers to switch account', async () => {
    const page = await denied({ name: 'Grace', email: 'grace@example.com' })
    expect(page.one('.person strong').text).toBe('Grace')
    expect(page.one('.person .small').text).toBe('grace@example.com')
    expect(page.texts('dd')).toEqual(['user', 'admin'])
    expect(page.one('.note').text).toBe(EN.roleAdvice)
    expect(page.one('details').text).toBe(`${EN.details} Reference req-7`)
    expect(page.one('h1').text).toBe('Kuma is not open to you')
    expect(page.all('a').map(one => one.attribute('href'))).toEqual(
      expect.arrayContaining(['/.sallyport/login?switch=1&return=%2Fd%2F1%3Fx%3D1', '/.sallyport/logout']),
    )
    expect(page.texts('a.act.main')).toEqual(['Your applications'])
  })

  test('first leads to whom the portal names, where the role cannot be requested and they can be written to', async () => {
    const acts = async (address: string | null, needed = ['admin'], asking: readonly AskableRole[] = []) => {
      const ctx = { ...contextAt('https://kuma.example.com/'), portal: { ...portal, contact: { text: 'it', address } } }
      const view = { needed, had: [], reasons: [], asking, routeName: 'Kuma' }
      const page = htmlPage(await renderDeniedPage(ctx, sessionOf({}), view).text())
      return [page.texts('.act.main'), page.all('a.act.main').map(one => one.attribute('href'))]
    }
    const portalAlone = [['Your applications'], ['/.sallyport/']]
    expect(await acts('mailto:it@example.com')).toEqual([['Ask for access'], ['mailto:it@example.com']])
    expect(await acts('https://help.example.com/')).toEqual([['Ask for access'], ['https://help.example.com/']])
    expect(await acts('tel:+4912')).toEqual(portalAlone)
    expect(await acts(null)).toEqual(portalAlone)
    expect(await acts('mailto:it@example.com', [])).toEqual(portalAlone)
    expect(await acts('mailto:it@example.com', ['admin'], [{ role: 'admin', standing: 'open' }])).toEqual(portalAlone)
    expect(await acts('mailto:it@example.com', ['admin'], [{ role: 'admin', standing: null }])).toEqual([
      ['Ask for access'],
      [],
    ])
  })

  test('names whom to ask, where the portal does', async () => {
    const contact = { text: 'it@example.com', address: 'mailto:it@example.com' }
    const words = { text: 'Ada <12>', address: null }
    const view = async (one: typeof contact | typeof words) => {
      const portalOf = { ...portal, contact: one }
      const answer = renderErrorPage({ words: EN, portal: portalOf, status: 502, title: 'x', reference: 'r' })
      return htmlPage(await answer.text())
    }
    expect((await view(contact)).link('it@example.com')).toBe('mailto:it@example.com')
    expect((await view(contact)).one('.note').text).toStartWith('Help: it@example.com')
    expect((await view(words)).one('.note').text).toStartWith('Help: Ada <12>')
  })

  test('says in sentences what else is missing', async () =>
    expect((await denied({})).texts('p, li')).toContain('It is open only from <certain> networks.'))

  test('escapes what a provider says about a person, and falls back to the subject', async () => {
    const marked = await denied({ name: MARKUP })
    expect([marked.text.includes(MARKUP), marked.has('b[onclick]')]).toEqual([true, false])
    expect((await denied({})).text).toContain('subject-1')
  })
})

/** Marks that turn the direction of what stands around them (UAX #9 §2), each as it is and as it is shown. */
const TURNING = [0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069]

test.each(TURNING.map(code => [String.fromCodePoint(code), `\\u${code.toString(16).padStart(4, '0')}`]))(
  'a mark that turns the direction of text is shown as an escape: %j',
  async (mark, shown) => {
    const name = `Eve${mark}nimda`
    const page = await renderDeniedPage(
      contextAt('https://kuma.example.com/'),
      sessionOf({ name, email: `${mark}@x` }),
      {
        needed: [],
        had: [],
        reasons: [],
        asking: [],
        routeName: 'Kuma',
      },
    ).text()
    expect(page).toContain(`Eve${shown}nimda`)
    expect(page).toContain(`${shown}@x`)
    expect(page).not.toContain(mark)
    expect(columns([['NAME'], [name]])).toBe(`NAME\nEve${shown}nimda\n`)
    const lines: string[] = []
    createLog({ style: 'pretty', now: () => 0, write: line => void lines.push(line) }).info('x', { user: name })
    expect(lines[0]).toContain(`Eve${shown}nimda`)
  },
)

test('such a mark stays in what a form sends back, however it is written, and nowhere else', () => {
  const name = 'a"\u202e<b>'
  const page = drawPage(
    null,
    <form title={name}>
      <input name="who" value={name} />
      <textarea name="text">{name}</textarea>
      <p>{` value="${name}" <textarea>${name}</textarea>`}</p>
    </form>,
  )
  const [as, shown] = ['a&quot;\u202e&lt;b&gt;', 'a&quot;\\u202e&lt;b&gt;']
  expect(page).toBe(
    `<form title="${shown}"><input name="who" value="${as}"/><textarea name="text">${as}</textarea><p> value=&quot;${shown}&quot; &lt;textarea&gt;${shown}&lt;/textarea&gt;</p></form>`,
  )
})

test('below the form for a password, a passkey and the providers are the other way; without the form, the providers alone', () => {
  const passkey = { address: '/p', options: {}, hidden: {} }
  const form = { browser: 'b', proof: 'p', address: '/f', isWrong: false, name: '' }
  const choices = [{ label: 'Pocket ID', host: null, address: '/x' }]
  const order = (props: Partial<Parameters<typeof SignInPage>[0]>) => {
    const page = <SignInPage words={EN} title="Home" choices={choices} waiting={null} passkey={passkey} {...props} />
    return htmlPage(String(page)).texts('button, .or, a.act')
  }
  const ownPasskey = EN.passkeys.signIn
  expect(order({ form })).toEqual([EN.signIn, EN.or, ownPasskey, 'Pocket ID'])
  expect(order({ form, choices: [] })).toEqual([EN.signIn, ownPasskey])
  expect(order({})).toEqual([ownPasskey, EN.or, 'Pocket ID'])
})

test('the choice of providers and the list of applications escape names and addresses', () => {
  const choice = htmlPage(
    String(
      <SignInPage
        words={EN}
        title={MARKUP}
        choices={[{ label: MARKUP, host: null, address: '/x?a=1&b="' }]}
        waiting={{ name: MARKUP, picture: null }}
      />,
    ),
  )
  expect(choice.has('b')).toBe(false)
  expect(choice.address('/x')).toBe('/x?a=1&b="')
  const source = String(
    <ApplicationsPage
      words={EN}
      title={MARKUP}
      identity={sessionOf({ name: MARKUP }).identity}
      applications={[
        {
          name: MARKUP,
          address: 'https://kuma.example.com/',
          description: MARKUP,
          group: MARKUP,
          icon: null,
          health: 'down',
        },
      ]}
      menu={[{ label: MARKUP, address: '/s?a=1&b="', isHere: true, waiting: 0 }]}
      switchAddress="/switch"
      search=""
    />,
  )
  const page = htmlPage(source)
  expect(page.has('b')).toBe(false)
  expect(source).toContain('>B<')
  expect(page.one('a[aria-current="page"]').attribute('href')).toBe('/s?a=1&b="')
})

test('RFC 9457: a problem has type, title, status, detail and our code', async () => {
  const answer = problemResponse(403, 'access.denied', MARKUP, 'req-1', { needed: ['admin'] }, { 'x-a': 'b' })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('x-a')).toBe('b')
  expect(await answer.json()).toEqual({
    type: 'about:blank',
    title: 'Forbidden',
    status: 403,
    detail: MARKUP,
    code: 'access.denied',
    reference: 'req-1',
    needed: ['admin'],
  })
})

test('times are told in UTC, or in the time zone of the portal', () => {
  const atMs = Date.UTC(2027, 5, 30, 22, 30)
  expect([momentOf(atMs, EN), dayOf(atMs, EN)]).toEqual(['Jun 30, 2027, 10:30 PM UTC', 'Jun 30, 2027'])
  const there = { ...EN, timeZone: 'Europe/Berlin' }
  expect([momentOf(atMs, there), dayOf(atMs, there)]).toEqual(['Jul 1, 2027, 12:30 AM GMT+2', 'Jul 1, 2027'])
  // A day alone names its zone, too, as long as no script says it in that of the browser.
  const day = htmlPage(String(<Moment words={there} atMs={atMs} show="day" />))
  expect(day.texts('time')).toEqual(['Jul 1, 2027 GMT+2'])
})
