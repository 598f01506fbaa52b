import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startNginx } from './nginx.ts'
import { type Child, PROXY_CORE, serving, startChild, untilAnswered, untilServed } from './process.ts'
import { type Front, frontOf, type Subject, type SubjectKey, subject, type Trust } from './subject.ts'

/*
 * The peers that sign nobody in. Each is on one core with one worker or thread, keeps its connections to the upstream, and
 * writes no access log, which Sallyport does: what they spare there is theirs. Settings that would make them store a body
 * before it is passed on are off, as Sallyport has no such thing.
 */

/** The host that every peer serves, as Sallyport does: by name. */
export const HOST = 'bench.localhost'

const SCRIPT = join(import.meta.dir, 'programs/bare-bun.ts')

/** `Bun.serve` with `fetch` and nothing between. It forwards no WebSocket. */
export function bareBun(fronts: readonly Front[], trust: Trust): Subject {
  const pairs = fronts.map(
    ({ name, port, upstream }) =>
      `${port}${name === 'https' ? 's' : ''}=${name === 'secure' ? 'https' : 'http'}:${upstream}`,
  )
  // The same limit that Sallyport's binary lifts for itself: 256 requests at a time.
  const env = {
    BUN_CONFIG_MAX_HTTP_REQUESTS: '65535',
    BENCH_CA: trust.caFile,
    BENCH_SERVER_NAME: trust.serverName,
    BENCH_CERT: trust.certFile,
    BENCH_KEY: trust.keyFile,
  }
  return peer(
    'bun',
    'bare Bun.serve → fetch',
    fronts,
    () => startChild([process.execPath, SCRIPT, ...pairs], { core: PROXY_CORE, env }),
    front => front !== 'echo',
  )
}

const LEAST = join(import.meta.dir, 'programs/least.ts')
const LEAST_COOKIE = 'wTHcZpKS39SghxRj8MA6DK47HYu95v1FCE01bYsf9EY'

/** What a gate must do at least, and nothing beside it, for whoever is signed in; its log goes where Sallyport's goes. */
export function least(folder: string, fronts: readonly Front[]): Subject {
  const { port, upstream } = frontOf(fronts, 'app')
  return subject(
    'least',
    'the least of a gate',
    () =>
      serving(
        startChild([process.execPath, LEAST, String(port), String(upstream), HOST, LEAST_COOKIE], {
          core: PROXY_CORE,
          env: { BUN_CONFIG_MAX_HTTP_REQUESTS: '65535' },
          stdout: join(folder, 'least.log'),
        }),
        () => untilAnswered(port, HOST, status => status === 401),
      ),
    () => ({ port, headers: { host: `${HOST}:${port}`, cookie: `sallyport=${LEAST_COOKIE}` } }),
    front => front === 'app',
    'gate',
  )
}

export function nginx(folder: string, fronts: readonly Front[], trust: Trust): Subject {
  const upstreams = fronts.map(
    ({ name, upstream }) => `upstream ${name} { server 127.0.0.1:${upstream}; keepalive 512; }`,
  )
  const servers = fronts.map(
    ({
      name,
      port,
    }) => `server { listen 127.0.0.1:${port}${name === 'https' ? ' ssl' : ''} backlog=4096; server_name ${HOST}; location / {
  proxy_pass ${name === 'secure' ? 'https' : 'http'}://${name}; proxy_http_version 1.1; proxy_set_header Host $host;
  proxy_set_header Connection ${name === 'echo' ? 'upgrade; proxy_set_header Upgrade $http_upgrade' : '""'};
  proxy_request_buffering off; proxy_max_temp_file_size 0;
  proxy_ssl_verify on; proxy_ssl_trusted_certificate ${trust.caFile}; proxy_ssl_name ${trust.serverName}; proxy_ssl_server_name on;
} }`,
  )
  const own = `ssl_certificate ${trust.certFile}; ssl_certificate_key ${trust.keyFile};`
  return peer('nginx', 'nginx', fronts, () =>
    startNginx(join(folder, 'nginx-proxy'), PROXY_CORE, [own, ...upstreams, ...servers]),
  )
}

/** With ten thousand clients it would otherwise save files by closing its connections to the upstream after each request. */
export function haproxy(folder: string, fronts: readonly Front[], trust: Trust): Subject {
  const file = join(folder, 'haproxy.cfg')
  const tls = `ssl verify required ca-file ${trust.caFile} sni str(${trust.serverName}) verifyhost ${trust.serverName}`
  const proxies = fronts.map(
    ({ name, port, upstream }) => `frontend ${name}
  bind 127.0.0.1:${port} backlog 4096${name === 'https' ? ` ssl crt ${trust.bothFile}` : ''}
  default_backend to_${name}
backend to_${name}
  http-reuse always
  server one 127.0.0.1:${upstream} ${name === 'secure' ? tls : ''}
`,
  )
  return peer('haproxy', 'HAProxy', fronts, () => {
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 16000
  no strict-limits
  tune.pool-low-fd-ratio 90
  tune.pool-high-fd-ratio 95
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
${proxies.join('')}`,
    )
    return startChild(['haproxy', '-db', '-f', file], { core: PROXY_CORE })
  })
}

export function caddy(folder: string, fronts: readonly Front[], trust: Trust): Subject {
  const file = join(folder, 'Caddyfile')
  const sites = fronts.map(({ name, port, upstream }) => {
    const tls = `transport http {
      tls_trusted_ca_certs ${trust.caFile}
      tls_server_name ${trust.serverName}
    }`
    return `${name === 'https' ? `https://${HOST}:${port}, https://127.0.0.1:${port}` : `http://${HOST}:${port}`} {
  bind 127.0.0.1
  ${name === 'https' ? `tls ${trust.certFile} ${trust.keyFile}` : ''}
  reverse_proxy ${name === 'secure' ? 'https://' : ''}127.0.0.1:${upstream} {
    ${name === 'secure' ? tls : ''}
  }
}
`
  })
  return peer('caddy', 'Caddy', fronts, () => {
    writeFileSync(
      file,
      `{
  admin off
  auto_https off
  log {
    output discard
  }
}
${sites.join('')}`,
    )
    return startChild(['caddy', 'run', '--config', file, '--adapter', 'caddyfile'], {
      core: PROXY_CORE,
      env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    })
  })
}

/** A proxy that signs nobody in and serves each of its fronts on a port of its own, by name. */
export function peer(
  key: SubjectKey,
  name: string,
  fronts: readonly Front[],
  launch: () => Child,
  offers: Subject['offers'] = () => true,
): Subject {
  return subject(
    key,
    name,
    () => serving(launch(), () => untilServed(frontOf(fronts, 'app').port, HOST)),
    front => ({
      port: frontOf(fronts, front).port,
      headers: { host: HOST },
      ...(front === 'https' ? { scheme: 'https' } : {}),
    }),
    front => offers(front) && fronts.some(one => one.name === front),
  )
}
