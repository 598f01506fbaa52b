import { describe, expect, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { APP, askersOf, forwarded, type Lines, original, send, startAsked } from '../../kit/verify.ts'

const keep = untilTheEnd()
const gate = keep(await startAsked())
const { cookieOf } = askersOf(() => gate)

const ask = async (address: string, lines: Lines) =>
  // Envoy keeps the Host of its client.
  (await send(gate.verifyPort, `/.sallyport/verify${address}`, lines, address.startsWith('/envoy') ? APP : 'sallyport'))
    .status

describe('a question that says itself who may pass, as oauth2-proxy took it, gets no verdict:', () => {
  const queries = [
    'allowed_groups=staff',
    'allowed_emails=',
    'x=1&allowed_email_domains=example.com',
    'allowed%5Fgroups=staff',
  ]
  test.each(queries)('%s', async query => {
    const cookie = await cookieOf()
    for (const address of ['/nginx', '/ingress-nginx']) {
      for (const lines of [original('/', [cookie]), original('/open')]) {
        expect([address, await ask(`${address}?${query}`, lines)]).toEqual([address, 403])
      }
    }
    for (const address of ['', '/traefik']) {
      for (const lines of [forwarded('/', [cookie]), forwarded('/open')]) {
        expect([address, await ask(`${address}?${query}`, lines)]).toEqual([address, 400])
      }
    }
  })

  test('what the client asked for may say it, and so may any other query of the address', async () => {
    const cookie = await cookieOf()
    const [query = ''] = queries
    expect(await ask('/nginx', original(`/?${query}`, [cookie]))).toBe(204)
    expect(await ask('', forwarded(`/?${query}`, [cookie]))).toBe(204)
    expect(await ask(`/envoy/?${query}`, forwarded(`/?${query}`, [cookie]))).toBe(200)
    expect(await ask('/nginx?from=nginx', original('/', [cookie]))).toBe(204)
  })
})
