import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { identityFieldNames } from '../../src/proxy/fields/identity.ts'
import { dialectAt } from '../../src/server/request/verify/dialects.ts'
import { recipe } from '../kit/programs/recipes.ts'

/**
 * What each file says, whether or not its program is here: all run in test/flow/operations/recipes.test.ts and in test/attack/verify, but
 * Traefik and Envoy come from PyPI, which not everybody can reach.
 */
const ROOT = join(import.meta.dir, '../..')

/** A part of a YAML document, found by its keys and indices. Throws where there is none. */
function at(document: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce((node: unknown, key) => {
    if (typeof node !== 'object' || node === null || !(key in node)) throw new Error(`no ${path.join('.')} (${key})`)
    return (node as Record<string | number, unknown>)[key]
  }, document)
}

const names = (document: unknown) => Object.keys(document as object)
const text = (document: unknown, ...path: readonly (string | number)[]) => String(at(document, ...path))
const listOf = (document: unknown, ...path: readonly (string | number)[]) => at(document, ...path) as readonly unknown[]
const pathOf = (address: string) => new URL(address).pathname

/** Fields of the preset that the recipes are for, and what an application may fold into them. */
const TOLD = identityFieldNames({ kind: 'preset', preset: 'remote' })
const SPELLINGS = TOLD.flatMap(name => [name, name.replace('-', '_'), name.replace('-', '.'), name.toUpperCase()])

describe('docs/recipes/traefik.yaml', () => {
  const traefik = Bun.YAML.parse(recipe('traefik.yaml'))
  const auth = at(traefik, 'http', 'middlewares', 'sallyport', 'forwardAuth')
  const matching = text(auth, 'authResponseHeadersRegex')
  const pattern = new RegExp(matching.replace('(?i)', ''), 'i')

  test('asks in its own dialect, where what is not known is left out, and believes a proxy in front of it of addresses alone', () => {
    expect(dialectAt(pathOf(text(auth, 'address')))).toMatchObject({ unknown: 'absent', isStatusOnly: false })
    expect(at(auth, 'trustForwardHeader')).toBe(true)
    const emptied = at(traefik, 'http', 'middlewares', 'from-nobody', 'headers', 'customRequestHeaders')
    for (const name of ['Host', 'Method', 'Uri', 'Prefix']) expect(at(emptied, `X-Forwarded-${name}`)).toBe('')
    expect(names(auth)).not.toContain('authRequestHeaders')
  })

  test('takes what is said of people off requests in every spelling, and what is Sallyport’s own, and nothing else', () => {
    expect(matching.startsWith('(?i)^')).toBe(true)
    for (const name of [...SPELLINGS, 'Cookie', 'authorization', 'X-Sallyport-Token', 'x_sallyport_token']) {
      expect([name, pattern.test(name)]).toEqual([name, true])
    }
    for (const name of ['Accept', 'Set-Cookie', 'X-Remote', 'Proxy-Authorization', 'Cookie2', 'Host', 'X-Request-Id']) {
      expect([name, pattern.test(name)]).toEqual([name, false])
    }
  })

  test('finds Sallyport’s own pages before any application, whose rules it ranks by their length', () => {
    const routers = at(traefik, 'http', 'routers')
    expect(text(routers, 'sallyport', 'rule')).toBe('PathPrefix(`/.sallyport/`)')
    const longest = Math.max(...names(routers).map(name => text(routers, name, 'rule').length))
    expect(at(routers, 'sallyport', 'priority')).toBeGreaterThan(Math.max(longest, 256))
    for (const open of ['sallyport', 'portal']) {
      expect(text(routers, open, 'service')).toBe('sallyport')
      expect(listOf(routers, open, 'middlewares')).toEqual(['from-nobody'])
    }
    expect(listOf(routers, 'app', 'middlewares')).toEqual(['from-nobody', 'sallyport'])
  })

  test('traefik-compose.yaml says the same by labels', () => {
    const compose = Bun.YAML.parse(recipe('traefik-compose.yaml'))
    const labels = Object.fromEntries(
      ['sallyport', 'app'].flatMap(service => Object.entries(at(compose, 'services', service, 'labels') as object)),
    ) as Record<string, string>
    const said = (path: string) => labels[`traefik.http.${path}`]?.replaceAll('$$', '$')
    for (const key of names(auth)) {
      expect([key, said(`middlewares.sallyport.forwardAuth.${key}`)]).toEqual([key, text(auth, key)])
    }
    const emptied = at(traefik, 'http', 'middlewares', 'from-nobody', 'headers', 'customRequestHeaders')
    for (const name of names(emptied)) {
      expect([name, said(`middlewares.from-nobody.headers.customRequestHeaders.${name}`)]).toEqual([name, ''])
    }
    const routers = at(traefik, 'http', 'routers')
    for (const router of names(routers)) {
      for (const key of names(at(routers, router))) {
        expect([router, key, said(`routers.${router}.${key}`)]).toEqual([router, key, text(routers, router, key)])
      }
    }
    expect(listOf(compose, 'services', 'traefik', 'ports')).toEqual(['80:80'])
    expect(names(at(compose, 'services', 'sallyport'))).not.toContain('ports')
    const own = text(compose, 'services', 'traefik', 'networks', 'web', 'ipv4_address')
    expect(recipe('traefik-compose.yaml')).toContain(`trusted_proxies = ["${own}"]`)
    // No container that comes up while Traefik is down may be given its address, which may ask for verdicts.
    const [network] = listOf(compose, 'networks', 'web', 'ipam', 'config')
    expect([own, text(network, 'subnet'), text(network, 'ip_range')]).toEqual([
      '172.30.0.2',
      '172.30.0.0/24',
      '172.30.0.128/25',
    ])
  })
})

describe('docs/recipes/envoy.yaml', () => {
  const envoy = Bun.YAML.parse(recipe('envoy.yaml'))
  const filters = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config'] as const
  const manager = at(envoy, ...filters)
  const auth = at(manager, 'http_filters', 0, 'typed_config')

  test('asks in its own dialect, with every field and the request as it will be sent on, and lets nothing pass unanswered', () => {
    const prefix = text(auth, 'http_service', 'path_prefix')
    expect(dialectAt(`${prefix}/any/path`)).toMatchObject({ unknown: 'removed', isStatusOnly: false, passes: 200 })
    expect(at(auth, 'failure_mode_allow')).toBe(false)
    expect(text(auth, 'allowed_headers', 'patterns', 0, 'safe_regex', 'regex')).toBe('.*')
    const added = listOf(auth, 'http_service', 'authorization_request', 'headers_to_add')
    expect(added).toEqual([
      { key: 'x-forwarded-method', value: '%REQ(:METHOD)%' },
      { key: 'x-forwarded-uri', value: '%REQ(:PATH)%' },
      { key: 'x-forwarded-host', value: '%REQ(:AUTHORITY)%' },
      { key: 'x-forwarded-proto', value: '%REQ(:SCHEME)%' },
      { key: 'x-original-body', value: '%REQ(CONTENT-LENGTH)%%REQ(TRANSFER-ENCODING)%' },
    ])
    expect(at(manager, 'normalize_path')).toBe(true)
    expect(at(manager, 'use_remote_address')).toBe(true)
    expect(at(manager, 'common_http_protocol_options', 'headers_with_underscores_action')).toBe('REJECT_REQUEST')
  })

  test('passes on all that is said of people', () => {
    const patterns = listOf(auth, 'http_service', 'authorization_response', 'allowed_upstream_headers', 'patterns')
    const passes = (name: string) =>
      patterns.some(pattern => {
        const { prefix, exact } = pattern as { readonly prefix?: string; readonly exact?: string }
        return prefix === undefined ? exact === name : name.startsWith(prefix)
      })
    for (const name of [...TOLD, 'cookie', 'authorization']) expect([name, passes(name)]).toEqual([name, true])
  })

  test('asks about everything but Sallyport’s own pages, and takes no host from a client but Host', () => {
    const removed = listOf(manager, 'early_header_mutation_extensions', 0, 'typed_config', 'mutations')
    for (const remove of ['x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-uri']) {
      expect(removed).toContainEqual({ remove })
    }
    expect(at(auth, 'status_on_error')).toEqual({ code: 'ServiceUnavailable' })
    for (const host of listOf(manager, 'route_config', 'virtual_hosts')) {
      for (const route of listOf(host, 'routes')) {
        const isOpen = names(route).includes('typed_per_filter_config')
        expect([text(route, 'match', 'prefix'), text(route, 'route', 'cluster'), isOpen]).toEqual(
          isOpen ? [expect.stringMatching(/^\/(?:\.sallyport\/)?$/), 'sallyport', true] : ['/', 'app', false],
        )
      }
      expect(listOf(host, 'domains')).not.toContain('*')
    }
  })
})

/**
 * What keeps another protocol than a WebSocket's from an application (`Upgrade: h2c`), in the words of each proxy: null where a text has
 * nothing that leads to one. A proxy that is not here is one of which nobody has shown how it does.
 */
const KEEPING: Readonly<Record<string, (text: string) => boolean | null>> = {
  nginx: text =>
    /proxy_pass|grpc_pass/.test(text)
      ? [...text.matchAll(/(?:proxy|grpc)_set_header Upgrade (.*);/g)].every(
          ([, value]) => value === '$sallyport_upgrade',
        ) &&
        (!text.includes('server {') ||
          text.includes("map $http_upgrade $sallyport_upgrade { default ''; ~*^websocket$ websocket; }"))
      : null,
  caddy: text =>
    text.includes('forward_auth')
      ? [...text.matchAll(/^[a-z].* \{\n[\s\S]*?^\}$/gm)]
          .filter(([site]) => site.includes('forward_auth'))
          .every(([site]) =>
            /^\t@no-websocket not vars_regexp \{http\.request\.header\.Upgrade\} \(\?i\)\^websocket\$\n\trequest_header @no-websocket -Upgrade$/m.test(
              site,
            ),
          )
      : leadsToSallyportAlone(text, /reverse_proxy (\S+)/g),
  haproxy: text =>
    text.includes('bind ')
      ? /^ +http-request del-header Upgrade unless \{ req\.fhdr_cnt\(Upgrade\) eq 1 \} \{ req\.fhdr\(Upgrade\) -i websocket \}\n[\s\S]*use_backend/m.test(
          text,
        )
      : leadsToSallyportAlone(text, /use_backend (\S+)/g),
  traefik: text =>
    [...text.matchAll(/HeaderRegexp\(`Upgrade`, `(.*?)`\)/g)].some(([, pattern = '']) => isOther(pattern)),
  envoy: text => /upgrade_configs: \[\{ upgrade_type: websocket \}\]/.test(text),
  'ingress-nginx': text => text.includes('X-Original-Upgrade: "$http_upgrade"'),
  // Envoy by itself, as long as nobody names another.
  'envoy-gateway': text => (/httpUpgrade|upgradeType|http2Upgrade|h2Upgrade/i.test(text) ? false : null),
  // A part of HAProxy's.
  lua: () => null,
  toml: () => null,
}

function leadsToSallyportAlone(text: string, places: RegExp): boolean | null {
  return [...text.matchAll(places)].every(([, place]) => place?.startsWith('sallyport')) ? null : false
}

/** Whether a pattern is for every value but "websocket", in any case. */
function isOther(written: string): boolean {
  const pattern = new RegExp(written.replaceAll('$$', '$').replace('^(?i:', '^(?:'), 'i')
  const others = ['', 'h2c', 'websocke', 'websockets', 'wwebsocket', 'h2c, websocket', 'websocket, h2c', 'TLS/1.0']
  const nearly = Array.from('websocket', (_, index) => `${'websocket'.slice(0, index)}x${'websocket'.slice(index + 1)}`)
  return (
    [...others, ...nearly].every(value => pattern.test(value)) &&
    !['websocket', 'WebSocket'].some(value => pattern.test(value))
  )
}

const KINDS: Readonly<Record<string, string>> = {
  'nginx.conf': 'nginx',
  Caddyfile: 'caddy',
  'haproxy.cfg': 'haproxy',
  'haproxy-sallyport.lua': 'lua',
  'traefik.yaml': 'traefik',
  'traefik-compose.yaml': 'traefik',
  'traefik-crd.yaml': 'traefik',
  'envoy.yaml': 'envoy',
  'envoy-gateway.yaml': 'envoy-gateway',
  'istio.yaml': 'envoy-gateway',
  'ingress-nginx.yaml': 'ingress-nginx',
}

describe('what is asked for by Upgrade', () => {
  const keeps = (kind: string | undefined, text: string) => KEEPING[kind ?? '']?.(text)
  const files = readdirSync(join(ROOT, 'docs/recipes')).filter(name => name !== 'services')

  test.each(files)('reaches no application for anything but a WebSocket by docs/recipes/%s', file => {
    const kept = keeps(KINDS[file], recipe(file))
    expect([file, kept]).toEqual([file, /^(?:lua|envoy-gateway)$/.test(KINDS[file] ?? '') ? null : true])
    if (kept === null) return
    // The same without the line, as a new one could be.
    const without = recipe(file)
      .replace(
        /^.*(?:default ''; ~\*\^websocket|del-header Upgrade|X-Original-Upgrade: "|upgrade_configs|request_header @no-websocket).*\n/m,
        '',
      )
      .replace(/HeaderRegexp\(`Upgrade`.*/, '')
    expect([file, keeps(KINDS[file], without)]).toEqual([file, false])
  })

  test('nor by any block of docs/behind-a-proxy.md', () => {
    const chapter = readFileSync(join(ROOT, 'docs/behind-a-proxy.md'), 'utf8')
    const blocks = [...chapter.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    expect(blocks.length).toBeGreaterThan(4)
    for (const [, kind, text = ''] of blocks) {
      expect([kind, text, [true, null].includes(keeps(kind, text) as boolean | null)]).toEqual([kind, text, true])
    }
    const open = 'location / {\n proxy_pass http://app:3000;\n proxy_set_header Upgrade $http_upgrade;\n}\n'
    expect(keeps('nginx', open)).toBe(false)
    expect(keeps('caddy', 'handle {\n\treverse_proxy app:3000\n}\n')).toBe(false)
    expect(keeps('apache', '')).toBeUndefined()
  })
})

describe('in Kubernetes', () => {
  const documents = (file: string) =>
    recipe(file)
      .split(/^---$/m)
      .map(one => Bun.YAML.parse(one))

  test('Traefik’s resources say what traefik.yaml says', () => {
    const file = Bun.YAML.parse(recipe('traefik.yaml'))
    const [fromNobody, auth, own, app] = documents('traefik-crd.yaml')
    expect(at(fromNobody, 'spec')).toEqual(at(file, 'http', 'middlewares', 'from-nobody'))
    const same = at(file, 'http', 'middlewares', 'sallyport', 'forwardAuth')
    for (const key of names(same)) {
      const [here, there] = [text(auth, 'spec', 'forwardAuth', key), text(same, key)]
      expect([key, key === 'address' ? pathOf(here) : here]).toEqual([key, key === 'address' ? pathOf(there) : there])
    }
    const said = listOf(own, 'spec', 'routes').concat(listOf(app, 'spec', 'routes'))
    const routers = at(file, 'http', 'routers')
    expect(said.map(one => [text(one, 'match'), (one as { priority?: number }).priority])).toEqual(
      names(routers).map(name => [text(routers, name, 'rule'), (at(routers, name) as { priority?: number }).priority]),
    )
    expect(at(app, 'spec', 'routes', 0, 'middlewares')).toEqual([{ name: 'from-nobody' }, { name: 'sallyport' }])
  })

  test('Envoy Gateway and Istio ask where the request itself is judged, and nothing passes unanswered', () => {
    const gateway = documents('envoy-gateway.yaml')
    const policy = gateway.find(one => text(one, 'kind') === 'SecurityPolicy')
    expect(text(policy, 'spec', 'extAuth', 'http', 'path')).toBe('/.sallyport/verify/envoy')
    expect(at(policy, 'spec', 'extAuth', 'failOpen')).toBe(false)
    const copied = listOf(policy, 'spec', 'extAuth', 'http', 'headersToBackend').map(name => String(name).toLowerCase())
    for (const name of [...TOLD, 'cookie', 'authorization']) expect(copied).toContain(name)
    // The Gateway API takes no more than sixteen.
    expect(listOf(gateway[0], 'spec', 'headers', 'earlyRequestHeaders', 'remove').length).toBeLessThan(17)
    const mesh = Bun.YAML.parse(text(documents('istio.yaml')[0], 'data', 'mesh'))
    const provider = at(mesh, 'extensionProviders', 0, 'envoyExtAuthzHttp')
    expect([text(provider, 'pathPrefix'), at(provider, 'failOpen')]).toEqual(['/.sallyport/verify/envoy', false])
    expect(listOf(provider, 'includeRequestHeadersInCheck')).toHaveLength(26)
  })
})

test('docs/recipes.md leads to every recipe, and to none that is not there', () => {
  const index = readFileSync(join(ROOT, 'docs/recipes.md'), 'utf8')
  const linked = [...index.matchAll(/\]\(recipes\/([^)#]+)\)/g)].map(([, file = '']) => file)
  const there = readdirSync(join(ROOT, 'docs/recipes'), { recursive: true }).map(String)
  expect([...new Set(linked)].sort()).toEqual(there.filter(name => name !== 'services').sort())
})

test('each recipe names every field of the preset that it is for, and Sallyport’s own that goes no further', () => {
  for (const file of ['nginx.conf', 'Caddyfile', 'ingress-nginx.yaml']) {
    for (const name of [...TOLD, 'cookie', 'authorization', 'x-sallyport-token']) {
      expect([file, name, recipe(file).toLowerCase().includes(name)]).toEqual([file, name, true])
    }
  }
})
