import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../kit/programs/free-port.ts'
import type { TestProvider } from '../../kit/provider/provider.ts'
import { startNginx } from '../nginx.ts'
import { type Child, PROXY_CORE, serving, startChild, together, untilAnswered } from '../process.ts'
import { startGate } from '../sallyport.ts'
import { type FrontName, type Subject, subject } from '../subject.ts'
import { startOauth2Proxy } from './oauth2-proxy.ts'
import { signInBy } from './signed-in.ts'

const RECIPES = join(import.meta.dir, '../../../docs/recipes')

/** Somebody's own proxy that asks whether a request may pass, and whoever it asks. */
export interface AskingPlace {
  readonly folder: string
  readonly provider: TestProvider
  /** The port of the application. */
  readonly app: number
  readonly profileFolder: string | null
}

/** Caddy or nginx that asks Sallyport, as `docs/recipes` has it; both are measured together. */
export function askingSallyport(by: 'caddy' | 'nginx', place: AskingPlace): Subject {
  let port = 0
  let cookie = ''
  const launch = async (): Promise<Child> => {
    port = await freePort()
    const gate = await makeVerifyGate(by, place, port)
    const front = startFront(by, place, port, gate)
    return serving(together(gate.child, front), async () => {
      cookie = await signInAt(port)
    })
  }
  return subject(
    'own',
    `${by === 'caddy' ? 'Caddy' : 'nginx'} asks Sallyport`,
    launch,
    () => ({
      port,
      headers: { host: `app.example.com:${port}`, cookie },
    }),
    isSmall,
    'gate',
  )
}

/** Sallyport alone, asked as Caddy asks it, by whoever is signed in. */
export function verifyAlone(place: AskingPlace): Subject {
  let port = 0
  let headers: Readonly<Record<string, string>> = {}
  const launch = async (): Promise<Child> => {
    const front = await freePort()
    const gate = await makeVerifyGate('alone', place, front)
    port = gate.verify
    return serving(gate.child, async () => {
      // People sign in through a proxy; it is needed no more after that.
      const caddy = startFront('caddy', place, front, gate)
      const cookie = await signInAt(front).finally(() => caddy.stop())
      const host = `app.example.com:${front}`
      headers = {
        host: `127.0.0.1:${port}`,
        cookie,
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': host,
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': '/',
      }
    })
  }
  return subject(
    'own',
    'Sallyport, asked alone',
    launch,
    () => ({ port, path: '/.sallyport/verify', headers }),
    isSmall,
    'verdict',
  )
}

/** Caddy that asks oauth2-proxy, by its recipe for Caddy. */
export function askingOauth2Proxy(program: string, { folder, provider, app }: AskingPlace): Subject {
  let port = 0
  let cookie = ''
  const launch = async (): Promise<Child> => {
    port = await freePort()
    const other = await freePort()
    const authority = `oauth2-proxy-asked.localhost:${port}`
    const asked = startOauth2Proxy({ program, folder, provider, port: other, upstream: 'static://202', authority })
    const front = startCaddy(
      folder,
      `asks-oauth2-proxy-${port}`,
      `http://${authority} {
  bind 127.0.0.1
  handle /oauth2/* {
    reverse_proxy 127.0.0.1:${other}
  }
  handle {
    forward_auth 127.0.0.1:${other} {
      uri /oauth2/auth
      copy_headers X-Auth-Request-User X-Auth-Request-Email X-Auth-Request-Groups
      @error status 401
      handle_response @error {
        redir * /oauth2/start?rd={scheme}://{http.request.hostport}{uri}
      }
    }
    reverse_proxy 127.0.0.1:${app}
  }
}`,
    )
    return serving(together(asked, front), async () => {
      await untilAnswered(other, 'localhost', status => status === 200, '/ping')
      await untilAnswered(port, authority, status => status > 0)
      cookie = await signInBy(`http://${authority}/`, { [authority]: `127.0.0.1:${port}` })
    })
  }
  return subject(
    'own',
    'Caddy asks oauth2-proxy',
    launch,
    () => ({
      port,
      headers: { host: `oauth2-proxy-asked.localhost:${port}`, cookie },
    }),
    isSmall,
    'gate',
  )
}

/** Caddy that asks Tinyauth, which has a user of its own: it is signed in to by its form's address. */
export function askingTinyauth(program: string, { folder, app }: AskingPlace): Subject {
  let port = 0
  let cookie = ''
  const host = () => `app.tinyauth.localhost:${port}`
  const launch = async (): Promise<Child> => {
    port = await freePort()
    const other = await freePort()
    const password = 'a password of the benchmark'
    const asked = startChild([program], {
      core: PROXY_CORE,
      cwd: folder,
      env: {
        TINYAUTH_APPURL: `http://auth.tinyauth.localhost:${port}`,
        TINYAUTH_SERVER_ADDRESS: '127.0.0.1',
        TINYAUTH_SERVER_PORT: String(other),
        TINYAUTH_DATABASE_PATH: join(folder, `tinyauth-${port}.db`),
        TINYAUTH_LOG_LEVEL: 'error',
        TINYAUTH_AUTH_USERS: `ada:${await Bun.password.hash(password, 'bcrypt')}`,
      },
    })
    const front = startCaddy(
      folder,
      `asks-tinyauth-${port}`,
      `http://${host()} {
  bind 127.0.0.1
  forward_auth 127.0.0.1:${other} {
    uri /api/auth/caddy
    copy_headers Remote-User Remote-Name Remote-Email Remote-Groups
  }
  reverse_proxy 127.0.0.1:${app}
}`,
    )
    return serving(together(asked, front), async () => {
      await untilAnswered(other, 'localhost', status => status > 0)
      const answer = await fetch(`http://127.0.0.1:${other}/api/user/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', host: `auth.tinyauth.localhost:${port}` },
        body: JSON.stringify({ username: 'ada', password }),
      })
      cookie = answer.headers
        .getSetCookie()
        .map(one => one.split(';')[0])
        .join('; ')
      if (!answer.ok || cookie === '') throw new Error(`signing in at Tinyauth ended with ${answer.status}`)
    })
  }
  return subject(
    'own',
    'Caddy asks Tinyauth',
    launch,
    () => ({ port, headers: { host: host(), cookie } }),
    isSmall,
    'gate',
  )
}

/** All of them are asked about small answers alone. */
function isSmall(front: FrontName): boolean {
  return front === 'app'
}

interface VerifyGate {
  readonly child: Child
  /** Where people sign in. */
  readonly listen: number
  /** Where a proxy asks. */
  readonly verify: number
}

async function makeVerifyGate(name: string, place: AskingPlace, front: number): Promise<VerifyGate> {
  const folder = join(place.folder, `verify-${name}-${front}`)
  mkdirSync(folder, { recursive: true })
  const [listen, verify] = [await freePort(), await freePort()]
  place.provider.allowRedirect(`http://auth.example.com:${front}/.sallyport/callback`)
  const file = join(folder, 'routes.toml')
  writeFileSync(
    file,
    `[server]
listen = ["127.0.0.1:${listen}"]
verify = "127.0.0.1:${verify}"
trusted_proxies = ["127.0.0.1"]

[sessions]
store = "sqlite:sallyport.db"

[providers.bench]
issuer = "${place.provider.issuer}"
client_id = "bench"
client_secret = "benchmark secret"

[portals.home]
url = "http://auth.example.com:${front}"
providers = ["bench"]
insecure_cookies = true

[portals.home.roles]
user = { groups = ["users"] }

[[routes]]
host = "app.example.com"
verify = true
portal = "home"
allow = ["user"]
headers = "remote"
`,
    { mode: 0o600 },
  )
  const child = startGate(file, place.profileFolder)
  return serving(child, () => untilAnswered(listen, 'app.example.com', status => status > 0)).then(() => ({
    child,
    listen,
    verify,
  }))
}

function startFront(by: 'caddy' | 'nginx', { folder, app }: AskingPlace, port: number, gate: VerifyGate): Child {
  const placed = (file: string): string =>
    readFileSync(join(RECIPES, file), 'utf8')
      .replaceAll('sallyport:8080', `127.0.0.1:${gate.listen}`)
      .replaceAll('sallyport:9080', `127.0.0.1:${gate.verify}`)
      .replaceAll('app:3000', `127.0.0.1:${app}`)
  if (by === 'nginx') {
    const text = placed('nginx.conf').replaceAll('listen 80', `listen 127.0.0.1:${port}`)
    return startNginx(join(folder, `asks-${port}`), PROXY_CORE, [text])
  }
  const sites = placed('Caddyfile').replace(/^([a-z]+\.example\.com) \{/gm, `http://$1:${port} {\n\tbind 127.0.0.1`)
  return startCaddy(folder, `asks-${port}`, sites)
}

function startCaddy(folder: string, name: string, sites: string): Child {
  const file = join(folder, `Caddyfile.${name}`)
  writeFileSync(file, `{\n  admin off\n  auto_https off\n  log {\n    output discard\n  }\n}\n${sites}\n`)
  return startChild(['caddy', 'run', '--config', file, '--adapter', 'caddyfile'], {
    core: PROXY_CORE,
    env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  })
}

async function signInAt(port: number): Promise<string> {
  const at = `127.0.0.1:${port}`
  const address = `http://app.example.com:${port}/`
  await untilAnswered(port, `app.example.com:${port}`, status => status > 0)
  return signInBy(address, { [`app.example.com:${port}`]: at, [`auth.example.com:${port}`]: at })
}
