import { expect, setDefaultTimeout } from 'bun:test'
import { openChromium, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { McpClient } from '../kit/mcp/client.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const stand = keep(
  await openStand(
    `[[routes]]
host = "tools.localhost"
path = "/mcp"
upstream = "http://127.0.0.1:1"
portal = "home"
allow = ["user"]
mcp = true
name = "Everything"
`,
  ),
)

test('a person signs in, sees which program asks for what, and lets it; its tokens page has it from then on', async () => {
  const seen: URL[] = []
  const program = keep(
    Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        seen.push(new URL(request.url))
        return new Response('<title>Done</title>Done', { headers: { 'content-type': 'text/html' } })
      },
    }),
  )
  const portal = new URL(stand.portal)
  const client = new McpClient({ port: Number(portal.port) }, portal.host)
  const redirect = `http://127.0.0.1:${program.port}/callback`
  await client.register({ redirect_uris: ['http://127.0.0.1/callback'] })
  const resource = `http://tools.localhost:${portal.port}/mcp`
  const person = await watchedContext(browser, {})
  const page = await person.open(stand.portal + client.authorizePath(resource, { redirect_uri: redirect }))
  await stand.become(page, 'Ada')
  const text = await page.locator('main').textContent()
  for (const shown of ['Let Inspector use Everything?', resource, `127.0.0.1:${program.port}`])
    expect(text).toContain(shown)
  expect(seen).toEqual([])
  await page.locator('button.main').click()
  await page.waitForURL(`${redirect}?**`)
  const code = seen.find(({ pathname }) => pathname === '/callback')?.searchParams.get('code') ?? ''
  const { status, body } = await client.redeem(code, resource, { redirect_uri: redirect })
  expect([status, body.token_type]).toEqual([200, 'Bearer'])

  await page.goto(`${stand.portal}/.sallyport/tokens`)
  const row = page.locator('li.row')
  expect(await row.textContent()).toContain('Inspector')
  expect(await row.textContent()).toContain(resource)
  await row.locator('button').first().click()
  await page.waitForFunction('document.querySelectorAll("li.row").length === 0')
  expect((await client.refresh(body.refresh_token ?? '')).status).toBe(400)

  await page.goto(stand.portal + client.authorizePath(resource, { redirect_uri: redirect }))
  await page.locator('button:not(.main)').click()
  await page.waitForURL(`${redirect}?**error=access_denied**`)
  expect(person.complaints).toEqual([])
  await person.context.close()
})
