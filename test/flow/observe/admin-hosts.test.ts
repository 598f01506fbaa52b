/** Whom the admin listener answers, by the Host that they name. */
import { describe, expect, test } from 'bun:test'
import { isOwnHost } from '../../../src/server/observe/admin-listener.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeSaying } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const ROUTE = routeSaying('here', 'app.example', 'allow = "public"')
const keep = untilTheEnd()
const lines = (hosts: string) => ({ admin: null, server: `admin = "0.0.0.0:0"\nadmin_hosts = ${hosts}` })
const gate = keep(await startGate(ROUTE, lines('["sallyport", "10.0.0.7"]')))

async function status(host: string, path = '/status.json'): Promise<number> {
  return (await sendRaw(gate.adminPort, rawRequest(`GET ${path}`, host))).status
}

describe('an admin listener for a network', () => {
  test.each([
    'evil.example',
    'evil.example:9464',
    'localhost.evil.example',
    'sallyport.evil.example',
    'evil',
    '0x7f.1',
  ])('tells nothing to a page whose name was made to lead there: %s', async host => {
    for (const path of ['/status.json', '/metrics', '/config', '/healthz', '/readyz'])
      expect([path, await status(host, path)]).toEqual([path, 403])
  })

  test.each([
    'localhost',
    'LOCALHOST.:80',
    'gate.localhost',
    '127.0.0.1:9464',
    '192.168.1.7:9464',
    '[::1]',
    'Sallyport:9464',
  ])('answers whoever asks by an address, as this machine, or by a name of admin_hosts: %s', async host => {
    expect(await status(host)).toBe(200)
  })

  test('answers a health check of HTTP/1.0 without Host, and nothing else', async () => {
    const bare = (line: string) => sendRaw(gate.adminPort, `${line} HTTP/1.0\r\n\r\n`)
    const probe = await bare('GET /healthz')
    expect([probe.status, probe.body.toString()]).toEqual([200, 'ok\n'])
    expect((await bare('GET /readyz?x')).body.toString()).toBe('ready\n')
    expect((await bare('HEAD /healthz')).status).toBe(200)
    for (const path of ['/metrics', '/config', '/status.json', '/', '/healthzx'])
      expect([path, (await bare(`GET ${path}`)).status]).toEqual([path, 403])
    expect((await sendRaw(gate.adminPort, 'GET /healthz HTTP/1.0\r\nOrigin: null\r\n\r\n')).status).toBe(403)
  })

  test('on one address is asked by that, and by no other', () => {
    const one = { kind: 'tcp', host: '10.0.0.5', port: 9464 } as const
    const asked = ['10.0.0.5:9464', '10.0.0.6', '010.0.0.5', 'gate.lan', '127.0.0.1', '[::ffff:10.0.0.5]', '']
    expect(asked.filter(host => isOwnHost(host, one, []))).toEqual(['10.0.0.5:9464', '127.0.0.1', '[::ffff:10.0.0.5]'])
    const hosts = ['gate.lan', '10.0.0.6', '[fd00::1]']
    expect(['gate.lan.:80', '10.0.0.6', '[FD00:0::1]:9'].filter(host => isOwnHost(host, one, hosts))).toHaveLength(3)
    const many = { kind: 'tcp', host: '::', port: 9464 } as const
    expect(['[fd00::7]', 'fd00::7', '10.0.0.6', 'gate.lan'].filter(host => isOwnHost(host, many, []))).toEqual([
      '[fd00::7]',
      '10.0.0.6',
    ])
    const named = { kind: 'tcp', host: 'Gate.lan', port: 9464 } as const
    expect(['gate.lan', '10.0.0.6', 'evil.lan'].filter(host => isOwnHost(host, named, []))).toEqual([
      'gate.lan',
      '10.0.0.6',
    ])
    expect(isOwnHost('anything', { kind: 'unix', path: '/run/admin.sock' }, [])).toBe(true)
  })

  test('follows the file', async () => {
    await using one = await startGate(ROUTE, lines('["before.test"]'))
    const at = async (host: string) => (await sendRaw(one.adminPort, rawRequest('GET /config', host))).status
    expect([await at('before.test'), await at('after.test')]).toEqual([200, 403])
    await Bun.write(one.configPath, (await Bun.file(one.configPath).text()).replace('before.test', 'after.test'))
    await eventually(async () => (await at('after.test')) === 200, 'the new name is taken')
    expect(await at('before.test')).toBe(403)
  })
})
