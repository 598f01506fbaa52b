import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { startApp } from '../kit/applications/app.ts'
import { openStand } from '../kit/browser/stand.ts'
import { describeEachBrowser, readIn, type Tab, untilHeading, untilIn } from '../kit/browser/tab.ts'
import { untilTheEnd } from '../kit/opened.ts'

setDefaultTimeout(300_000)

const keep = untilTheEnd()
let made = 0
const users = new Map<string, string>()

/** As OctoPrint and pgAdmin do: whoever comes with a session is whose that is; else whom Remote-User names, with a new one. */
const app = keep(
  await startApp((request, response) => {
    const [name = ''] = (request.headers.host ?? '').split('.', 1)
    const cookies = new Map(
      (request.headers.cookie ?? '').split('; ').map(pair => pair.split('=', 2) as [string, string]),
    )
    const sid = cookies.get('sid') ?? cookies.get(`wide-${name}`) ?? ''
    const before = users.get(sid)
    const user = before ?? String(request.headers['remote-user'] ?? 'nobody')
    if (before === undefined) {
      const fresh = `s${++made}`
      users.set(fresh, user)
      response.setHeader('set-cookie', [
        `sid=${fresh}; HttpOnly; Max-Age=86400`,
        `wide-${name}=${fresh}; Domain=apps.localhost; Max-Age=86400`,
      ])
    }
    response.setHeader('content-type', 'text/html')
    response.end(
      `<!doctype html><title>${user}</title><h1>${user}</h1><p id="cookies">${[...cookies.keys()].join(' ')}</p><a id="out" href="/.sallyport/logout">Sign out</a>`,
    )
  }),
)
const route = (name: string, more: string) =>
  `[[routes]]\nhost = "${name}.apps.localhost"\nupstream = "http://127.0.0.1:${app.port}"\nportal = "home"\nallow = ["user"]\n${more}\n`
const stand = keep(
  await openStand(
    `${route('told', 'headers = "remote"')}${route('other', 'headers = "remote"\nend_user_sessions = false')}`,
  ),
)
const at = (name: string) => `${stand.app.replace('app.', `${name}.apps.`)}/`

// WebKitGTK takes no note of Clear-Site-Data.
describeEachBrowser(visits, { without: 'WebKit' })

function visits(_: string, open: () => Promise<Tab>): void {
  let tab: Tab
  beforeAll(async () => {
    tab = await open()
  })
  afterAll(() => tab?.[Symbol.asyncDispose]())

  /** Opens a page; where the provider asks, this is who signs in. Answers whose page it is. */
  async function visit(name: string, login: string): Promise<unknown> {
    await tab.open(at(name))
    const asks = `document.querySelector('input[name=login]') !== null`
    if ((await readIn(tab, asks, `document.querySelector('#cookies, input[name=login]') !== null`)) === true) {
      await tab.evaluate(`void (document.querySelector('input[name=login]').value = '${login}')`)
      await tab.press('form button')
    }
    const isThere = `document.querySelector('#cookies') !== null && location.href === '${at(name)}'`
    return readIn(tab, `document.querySelector('h1').textContent`, isThere)
  }
  const cookies = () => tab.evaluate(`document.querySelector('#cookies').textContent`)

  test('shows the next user what is theirs, and takes nothing from other hosts of the domain', async () => {
    const ada = await visit('told', 'ada')
    expect(ada).not.toBe('nobody')
    await tab.evaluate(`void localStorage.setItem('draft', 'of Ada')`)
    expect(await visit('other', 'ada')).toBe(ada)
    await tab.evaluate(`void localStorage.setItem('draft', 'of Ada')`)
    expect(String(await cookies())).toContain('wide-told')
    await tab.open(at('told'))
    await tab.press('#out')
    await tab.press('form[action="/.sallyport/logout"] button')
    await untilHeading(tab, 'You are signed out')
    // The provider would know Ada again.
    await tab.open(`${stand.providerOrigin}/.well-known/openid-configuration`)
    await tab.forget('_session')

    const grace = await visit('told', 'grace')
    expect([grace, grace === ada]).toEqual([expect.any(String), false])
    expect(await tab.evaluate(`localStorage.getItem('draft')`)).toBeNull()
    expect(await visit('told', 'grace')).toBe(grace)
    // Each host still has what was its own: here the application's session is meant to outlive its user.
    expect(await visit('other', 'grace')).toBe(ada)
    expect(await tab.evaluate(`localStorage.getItem('draft')`)).toBe('of Ada')
    expect(String(await cookies())).toContain('wide-other')
    await tab.open(`${stand.portal}/`)
    await untilIn(tab, `document.querySelector('main h2') !== null`)
  })
}
