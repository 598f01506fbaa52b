import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, PROXY_CORE, startChild } from './process.ts'

/** A proxy to measure: how it is started, and what a request to it must carry. */
export interface Subject {
  readonly name: string
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  start(): Child
}

/** The host that Caddy, nginx and HAProxy serve, as Sallyport does: by name. */
const HOST = 'bench.localhost'

/** `Bun.serve` with `fetch` and nothing between. */
export function bareBun(port: number, upstream: number): Subject {
  const script = join(import.meta.dir, 'subjects/bare-bun.ts')
  return {
    name: 'bare Bun.serve → fetch',
    port,
    headers: { host: HOST },
    start: () => startChild([process.execPath, script, String(port), String(upstream)], { core: PROXY_CORE }),
  }
}

/** nginx as a reverse proxy with one worker and connections kept to the upstream. */
export function nginx(folder: string, port: number, upstream: number): Subject {
  return {
    name: 'nginx',
    port,
    headers: { host: HOST },
    start: () =>
      startNginx(join(folder, 'nginx-proxy'), PROXY_CORE, [
        `upstream app { server 127.0.0.1:${upstream}; keepalive 64; }`,
        `server { listen 127.0.0.1:${port}; server_name ${HOST}; location / {`,
        '  proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;',
        '} }',
      ]),
  }
}

/** HAProxy with one thread. */
export function haproxy(folder: string, port: number, upstream: number): Subject {
  const file = join(folder, 'haproxy.cfg')
  return {
    name: 'HAProxy',
    port,
    headers: { host: HOST },
    start() {
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  default_backend app
backend app
  http-reuse always
  server app 127.0.0.1:${upstream}
`,
      )
      return startChild(['haproxy', '-db', '-q', '-f', file], { core: PROXY_CORE })
    },
  }
}

/** Caddy as a bare reverse proxy: no sign-in, no access log. */
export function caddy(folder: string, port: number, upstream: number): Subject {
  const file = join(folder, 'Caddyfile')
  return {
    name: 'Caddy',
    port,
    headers: { host: HOST },
    start() {
      writeFileSync(
        file,
        `{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://${HOST}:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${upstream}
}
`,
      )
      return startChild(['caddy', 'run', '--config', file, '--adapter', 'caddyfile'], {
        core: PROXY_CORE,
        env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      })
    },
  }
}

/** nginx with one worker on one core, all its files in a folder of ours. `servers` are lines of its http block. */
export function startNginx(folder: string, core: number, servers: readonly string[]): Child {
  mkdirSync(folder, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${folder}/${name};`,
  )
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; sendfile on; client_max_body_size 0; ${temporary.join(' ')}
${servers.join('\n')}
}
`,
  )
  return startChild(['nginx', '-p', folder, '-c', file, ...(process.getuid?.() === 0 ? ['-g', 'user root;'] : [])], {
    core,
  })
}
