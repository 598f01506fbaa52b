import { expect, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { AS_PROGRAM, codeOf, KUMA, openStand, PORTAL } from '../stand.ts'

const AUDIT = `${PORTAL}/.sallyport/audit`

const keep = untilTheEnd()
const stand = keep(await openStand({ adminRole: 'admin' }))

async function signedIn(login: string, agent = 'Firefox') {
  const browser = stand.browser({ 'user-agent': agent })
  await browser.signIn(`${KUMA}/`, login)
  return browser
}

const send = (body: Record<string, string>, headers: Record<string, string> = {}) => ({
  method: 'POST',
  body: new URLSearchParams(body).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', ...headers },
})

test('admins see who did what, and find it by who, event and day; nothing in it is markup', async () => {
  const day = new Date().toISOString().slice(0, 10)
  await signedIn('user7', '<script>alert(1)</script>\x9b')
  const admin = await signedIn('user0')
  const page = await admin.open(AUDIT)
  expect(page.response.status).toBe(200)
  expect(page.html.texts('.events summary .soft')).toContain('<script>alert(1)</script>\\u009b · 192.0.2.1')
  expect(page.text).not.toContain('<script>alert')
  const known = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
  await signedIn('user6', known)
  const rowsOf = async (query: string) => (await admin.open(`${AUDIT}?${query}`)).html.texts('.events summary')
  const [row = '', ...more] = await rowsOf('who=user-6&event=sign_in')
  expect([row.replace(/^\d\d:\d\d\s*/, ''), more]).toEqual(['User 6 signed inFirefox on Linux · 192.0.2.1', []])
  // Folded out, everything that is kept stands as it is exported.
  expect((await admin.open(`${AUDIT}?who=user-6`)).html.texts('.events dd')).toContain(known)
  expect((await admin.open(AUDIT)).html.has('[value="csv"]')).toBe(true)
  expect((await admin.open(`${AUDIT}?who=nobody-at-all`)).html.has('[value="csv"]')).toBe(false)
  expect(await rowsOf('who=USER-7&event=sign_in')).toHaveLength(1)
  expect(await rowsOf('who=user-7&event=sign_out')).toHaveLength(0)
  expect(await rowsOf(`who=&event=&since=${day}`)).not.toHaveLength(0)
  expect(await rowsOf('since=2099-01-01')).toHaveLength(0)
  expect((await admin.visit(`${AUDIT}?since=lately`)).status).toBe(400)
  expect((await admin.visit(`${AUDIT}?after=${'1'.repeat(90)}`)).status).toBe(400)
})

test('whoever has not the role sees and exports nothing, and neither does a form of another site', async () => {
  const user = await signedIn('user8')
  const seen = await user.visit(AUDIT, { headers: AS_PROGRAM })
  expect([seen.status, await codeOf(seen)]).toEqual([403, 'access.denied'])
  const sent = await user.visit(AUDIT, send({ act: 'csv' }, AS_PROGRAM))
  expect([sent.status, await codeOf(sent)]).toEqual([403, 'access.denied'])
  const admin = await signedIn('user0')
  const other = await admin.visit(AUDIT, send({ act: 'csv' }, { ...AS_PROGRAM, 'sec-fetch-site': 'cross-site' }))
  expect([other.status, await codeOf(other)]).toEqual([403, 'access.origin'])
  expect((await stand.ask('GET', AUDIT, AS_PROGRAM)).status).toBe(401)
})

test('what is looked for is exported whole, as lines of JSON or as CSV, and that is told of', async () => {
  await signedIn('user9', '=HYPERLINK("http://evil.example")')
  const admin = await signedIn('user0')
  const json = await admin.visit(AUDIT, send({ act: 'json', who: 'user-9' }))
  expect(json.headers.get('content-disposition')).toMatch(/^attachment; filename="audit-\d{4}-\d\d-\d\d\.jsonl"$/)
  const lines = (await json.text()).trimEnd().split('\n')
  expect(lines.map(line => JSON.parse(line))).toEqual([
    expect.objectContaining({ event: 'sign_in', user: 'user-9', name: 'user9', provider: 'pocket-id' }),
  ])
  const csv = await (await admin.visit(AUDIT, send({ act: 'csv', who: 'user-9' }))).text()
  expect(csv.split('\r\n')).toHaveLength(3)
  expect(csv).toContain(`"'=HYPERLINK(""http://evil.example"")"`)
  // The same twice in a row is told once, and both are kept below.
  const { html } = await admin.open(`${AUDIT}?event=audit.exported`)
  expect([html.texts('.events .tag'), html.all('.events details').length, html.all('.events dl').length]).toEqual([
    ['2 times'],
    1,
    2,
  ])
  expect((await admin.visit(AUDIT, send({ act: 'xml' }, AS_PROGRAM))).status).toBe(400)
})
