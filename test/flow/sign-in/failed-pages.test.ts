/** What the page of a failed sign-in offers: only what can help, and no error to whoever has cancelled. */

import { expect, test } from 'bun:test'
import { startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerTable, routeSaying, SILENT } from '../../kit/toml.ts'

const HOST = 'app.example'
const keep = untilTheEnd()
const bad = keep(await startBadProvider(() => Math.floor(Date.now() / 1000)))

async function open(behaviour: Misbehaviour) {
  bad.behave(behaviour)
  const gate = await startGate(`${providerTable({ ...BAD_PROVIDER_CLIENT, issuer: bad.issuer }, 'label = "Office"')}
${providerTable(SILENT, 'label = "Home"', 'home')}
[portals.home]
providers = ["id", "home"]
insecure_cookies = true
roles.user = { any = true }
${routeSaying('in', HOST, 'portal = "home"\nallow = ["user"]')}`)
  let cookies = ''
  return {
    async ask(path: string) {
      const answer = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/${path}`, {
        headers: { host: HOST, accept: 'text/html', cookie: cookies },
        redirect: 'manual',
      })
      cookies = answer.headers
        .getSetCookie()
        .map(one => one.split(';')[0])
        .join('; ')
      return answer
    },
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  }
}

async function look(answer: Response) {
  const page = htmlPage(await answer.text())
  return { status: answer.status, acts: page.texts('.acts a'), folded: page.texts('summary') }
}

test.each([
  ['does not answer as it should', { discovery: { issuer: 'http://other.example' } }, []],
  ['is away for now', { instead: { discovery: () => new Response('away', { status: 503 }) } }, ['Try again']],
] as const)('where a provider %s, trying again is offered if that can help', async (_, behaviour, first) => {
  await using gate = await open(behaviour)
  const { acts, folded, status } = await look(await gate.ask('login?provider=id'))
  expect(acts).toEqual([...first, 'Continue with Home'])
  expect(folded).toEqual([`Error ${status} · Details`])
})

test('who cancels at the provider is told no error, and may go on', async () => {
  await using gate = await open({})
  const asked = new URL((await gate.ask('login?provider=id')).headers.get('location') ?? '')
  const answer = { error: 'access_denied', state: asked.searchParams.get('state') ?? '', iss: bad.issuer }
  const page = await look(await gate.ask(`callback?${new URLSearchParams(answer)}`))
  expect(page).toEqual({ status: 403, acts: ['Try again', 'Use another account'], folded: ['Details'] })
})
