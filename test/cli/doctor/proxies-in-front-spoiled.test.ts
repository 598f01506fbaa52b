import { describe, expect, setDefaultTimeout } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { examineFronts } from '../../../src/cli/doctor/proxies-in-front.ts'
import { configOf } from '../../kit/gate.ts'
import { HOSTS } from '../../kit/programs/recipe-routes.ts'
import {
  askThrough,
  changed,
  openSpoiled,
  type ProxyName,
  proxyTests,
  type RecipeStand,
} from '../../kit/programs/recipes.ts'

setDefaultTimeout(300_000)

/** What the doctor says of a running recipe, without ports. */
async function examine(stand: RecipeStand): Promise<readonly string[]> {
  const { findings } = await examineFronts(configOf(stand.gate), { ask: askThrough(stand) })
  return findings.map(({ grade, what }) => `${grade}: ${what.replaceAll(`:${stand.port}`, '')}`)
}

const ASKED = (host: string) =>
  `bad: http://${host}/.sallyport/ comes to verify of [server], as a question or handed on, and not to listen`
const OTHER = (host: string, status: number) =>
  `bad: no Sallyport answers below http://${host}/.sallyport/: something else answers, with ${status}`
const HOSTLESS = (host: string) =>
  `bad: Sallyport is reached below http://${host}/.sallyport/, but by another host: Host does not arrive`
const ASTRAY = (address: string) =>
  `bad: the proxy in front asks about another host or path than http://${address}: the one asked for does not arrive`
const UNSTATED = (address: string) =>
  `bad: the proxy in front does not state the request when it asks about http://${address}`
const OPEN = (address: string) =>
  `bad: http://${address} is open to everybody: the application answers without a verdict`
const GOOD = (host: string) => `good: http://${host} leads to Sallyport, and names its own host`

interface Spoiled {
  readonly about: string
  readonly name: ProxyName
  readonly spoil: (text: string) => string
  /** What is said of app.example.com, whose first page is closed. */
  readonly says: readonly string[]
}

const HOST = 'app.example.com'

const NGINX_OWN = /^ +location \/\.sallyport\/ \{.*\n/m
const NGINX_FALLBACK: readonly [RegExp, string] = [/^ +error_page 401 403 = @sallyport;\n/m, '']

const CASES: readonly Spoiled[] = [
  ...(['nginx', 'Caddy', 'HAProxy', 'Traefik 3.7.9', 'Envoy'] as const).map(name => ({
    about: 'as the recipe has it',
    name,
    spoil: (text: string) => text,
    says: [GOOD(HOST)],
  })),
  {
    about: 'does not hand /.sallyport/ on',
    name: 'nginx',
    spoil: changed([NGINX_OWN, ''], NGINX_FALLBACK),
    says: [OTHER(HOST, 403)],
  },
  {
    about: 'has a location before the one that hands /.sallyport/ on',
    name: 'nginx',
    spoil: changed([/location \/ \{\n +auth_request/, 'location ~ ^/ {\n auth_request'], NGINX_FALLBACK),
    says: [OTHER(HOST, 403)],
  },
  {
    about: 'passes no Host on to Sallyport',
    name: 'nginx',
    spoil: changed([/(# For Sallyport.*\n) +proxy_set_header Host .*\n +proxy_set_header X-Forwarded-Host .*\n/, '$1']),
    says: [HOSTLESS(HOST), ASTRAY(`${HOST}/`)],
  },
  {
    about: 'states the host of its upstream',
    name: 'nginx',
    spoil: changed(['$scheme://$host$sallyport_port$request_uri', '$scheme://$proxy_host$request_uri']),
    says: [ASTRAY(`${HOST}/open`)],
  },
  {
    about: 'does not ask',
    name: 'nginx',
    spoil: changed([/^ +auth_request .*\n/m, '']),
    says: [OPEN(`${HOST}/`)],
  },
  {
    about: 'does not hand /.sallyport/ on',
    name: 'Caddy',
    spoil: changed([/\thandle \/\.sallyport\/\* \{\n[\s\S]*?\n\t\}\n/, '']),
    says: [ASKED(HOST)],
  },
  {
    about: 'asks before it hands /.sallyport/ on',
    name: 'Caddy',
    spoil: changed([
      /^app\.example\.com \{\n/,
      `app.example.com {\nforward_auth sallyport:9080 {\nuri /.sallyport/verify\nheader_up X-Forwarded-Host {http.request.hostport}\n\t}\n`,
    ]),
    says: [ASKED(HOST)],
  },
  {
    about: 'hands /.sallyport/ on to where verdicts are given',
    name: 'Caddy',
    spoil: changed([/(?<=handle \/\.sallyport\/\* \{\n\t+reverse_proxy )sallyport:8080/, 'sallyport:9080']),
    says: [ASKED(HOST)],
  },
  {
    about: 'passes its upstream’s host on to Sallyport',
    name: 'Caddy',
    spoil: changed([
      /(handle \/\.sallyport\/\* \{\n.*\n)\t+header_up .*\n/,
      '$1header_up Host {upstream_hostport}\nheader_up X-Forwarded-Host {upstream_hostport}\n',
    ]),
    says: [HOSTLESS(HOST)],
  },
  {
    about: 'states the host of its upstream',
    name: 'Caddy',
    spoil: changed([/(uri \/\.sallyport\/verify\n\t+header_up X-Forwarded-Host ).*/, '$1{upstream_hostport}']),
    says: [ASTRAY(`${HOST}/`)],
  },
  {
    about: 'does not state the path',
    name: 'Caddy',
    spoil: changed([/(uri \/\.sallyport\/verify\n)/, '$1header_up -X-Forwarded-Uri\n']),
    says: [UNSTATED(`${HOST}/`)],
  },
  {
    about: 'does not ask',
    name: 'Caddy',
    spoil: changed([/\t+forward_auth sallyport:9080 \{[\s\S]*?\n\t\t\t\}\n/, '']),
    says: [OPEN(`${HOST}/`)],
  },
  {
    about: 'does not hand /.sallyport/ on',
    name: 'HAProxy',
    spoil: changed([/^ +use_backend sallyport if \{ path_beg .*\n/m, '']),
    says: [ASKED(HOST)],
  },
  {
    about: 'chooses the application before it hands /.sallyport/ on',
    name: 'HAProxy',
    spoil: changed([/^( +use_backend sallyport if \{ path_beg .*\n)( +use_backend app .*\n)/m, '$2$1']),
    says: [ASKED(HOST)],
  },
  {
    about: 'passes another host on to Sallyport',
    name: 'HAProxy',
    spoil: changed([
      /(backend sallyport\n)/,
      '$1    http-request set-header Host sallyport if { path_beg /.sallyport/ }\n    http-request del-header X-Forwarded-Host\n',
    ]),
    says: [HOSTLESS(HOST)],
  },
  {
    about: 'rewrites Host before it asks',
    name: 'HAProxy',
    spoil: changed([/(backend app\n)/, '$1    http-request set-header Host app\n']),
    says: [ASTRAY(`${HOST}/`)],
  },
  {
    about: 'does not ask',
    name: 'HAProxy',
    spoil: changed([/^ +http-request lua\.sallyport .*\n/m, '']),
    says: [OPEN(`${HOST}/`)],
  },
]

/** Recipes without what keeps other protocols out. Caddy 2.6 has Upgrade in its question, which is refused then. */
const LETTING: readonly (readonly [ProxyName, (text: string) => string])[] = [
  ['nginx', changed([/(?<=default ')(?='; ~\*\^websocket)/, 'h2c'])],
  ['HAProxy', changed([/^ +http-request del-header Upgrade .*\n/, ''])],
  ['Traefik 3.7.9', changed(['HeaderRegexp(`Upgrade`', 'HeaderRegexp(`Nothing`'])],
]

/** nginx as most have it: X-Real-IP is its own, and X-Forwarded-For its client's. */
const USUAL = changed(['proxy_set_header X-Forwarded-For $remote_addr;', 'proxy_set_header X-Real-IP $remote_addr;'])

/** What is said of the client's address at the application. */
const ADDRESSES: readonly Spoiled[] = [
  {
    about: 'sets X-Real-IP alone, and hands X-Forwarded-For on',
    name: 'nginx',
    spoil: USUAL,
    says: [
      `bad: a client of http://${HOST} can claim any address in X-Forwarded-For: the proxy in front does not overwrite X-Forwarded-For`,
    ],
  },
  {
    about: 'takes its client’s word of its address, as it believes of a proxy',
    name: 'nginx',
    spoil: changed([
      /(?<=server_name app\.example\.com;\n)/m,
      '    set_real_ip_from 127.0.0.0/8;\n    real_ip_header CF-Connecting-IP;\n',
    ]),
    says: [`warning: http://${HOST} believes this machine when it says another address in CF-Connecting-IP`],
  },
  {
    about: 'hands X-Forwarded-For on',
    name: 'HAProxy',
    spoil: changed([/^ +http-request set-header X-Forwarded-For .*\n/m, '']),
    says: [
      `warning: a client of http://${HOST} can claim any address in X-Forwarded-For: the proxy in front does not overwrite X-Forwarded-For`,
    ],
  },
  {
    about: 'says no address at all',
    name: 'HAProxy',
    spoil: changed([/http-request set-header X-Forwarded-For .*/m, 'http-request del-header X-Forwarded-For']),
    says: [
      `warning: the proxy in front of http://${HOST} says no address in X-Forwarded-For: no rule with networks lets anybody in, and all its clients share one limit`,
    ],
  },
]

describe('sallyport doctor, of a proxy in front that', () => {
  for (const { name, about, spoil, says } of ADDRESSES)
    proxyTests(name).test(`${name}: ${about}`, async () => {
      await using stand = await openSpoiled(name, spoil)
      expect((await examine(stand)).filter(what => new RegExp(`//${HOST}(?= |$)`).test(what))).toEqual([...says])
    })
})

proxyTests('nginx').test(
  'nginx that sets X-Real-IP alone is good where client_address says so, and nobody else’s word counts',
  async () => {
    await using stand = await openSpoiled('nginx', USUAL)
    const told = async (...lines: readonly string[]) => {
      const { status, body } = await stand.ask('/.sallyport/address', lines)
      return status === 200 ? JSON.parse(body) : status
    }
    expect(await told('X-Forwarded-For: 10.1.2.3')).toEqual({ address: '10.1.2.3' })
    const text = readFileSync(stand.gate.configPath, 'utf8')
    writeFileSync(stand.gate.configPath, text.replace('[server]', '[server]\nclient_address = "X-Real-IP"'))
    await stand.gate.server.reload()
    expect(await examine(stand)).toContain(GOOD(HOST))
    for (const line of ['X-Forwarded-For', 'X-Real-IP', 'X_Real_IP', 'CF-Connecting-IP', 'Connection'])
      expect([line, await told(`${line}: 10.1.2.3`)]).toEqual([line, { address: '127.0.0.1' }])
    expect(await told('Connection: X-Real-IP', 'X-Real-IP: 10.1.2.3')).toEqual({ address: '127.0.0.1' })
  },
)

describe('sallyport doctor, of a proxy in front that lets other protocols through', () => {
  for (const [name, spoil] of LETTING)
    proxyTests(name).test(`${name}: says so`, async () => {
      await using stand = await openSpoiled(name, spoil)
      const said = await examine(stand)
      expect(said.filter(what => what.includes(HOSTS.up))).toEqual([
        `bad: http://${HOSTS.up}/open lets a client open another protocol to the application (Upgrade: h2c): the proxy does not ask about requests inside it`,
      ])
      expect(stand.upgrading.unjudged).toEqual([])
    })
})

describe('sallyport doctor, of a proxy in front that', () => {
  for (const { name, about, spoil, says } of CASES)
    proxyTests(name).test(`${name}: ${about}`, async () => {
      await using stand = await openSpoiled(name, spoil)
      const said = (await examine(stand)).filter(what => what.includes(`//${HOST}`))
      expect(said).toEqual([...says])
    })
})
