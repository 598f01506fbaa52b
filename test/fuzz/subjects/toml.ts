import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConfig } from '../../../src/config/check.ts'
import { renderDiagnostics } from '../../../src/config/render-diagnostics.ts'
import { createUpstreamPool } from '../../../src/proxy/upstream/upstream.ts'
import { compileSnapshot } from '../../../src/server/config/compile.ts'
import { hold, type Subject } from '../subject.ts'

const FILE = '/etc/sallyport/routes.toml'
const SECRET = 'a-secret-of-the-environment'

const GOOD = `[server]
listen = "127.0.0.1:8080"
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
client_secret = "\${SECRET}"
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
[portals.home.roles]
user = { any = true }
admin = { groups = ["admins"], emails = ["a@b.example"] }
[[routes]]
host = "app.example.com"
path = "/x"
upstream = "http://app:3000"
portal = "home"
allow = ["user", { networks = ["10.0.0.0/8"], methods = ["GET"] }]
headers = "x-token"
request_headers = { set = { "X-A" = "{email}" } }
`

/** A routes.toml. Where it is good, what serves it is made of it. */
export const toml: Subject = {
  name: 'toml',
  seeds: [GOOD, readFileSync(join(import.meta.dir, '../../../routes.toml'), 'utf8').slice(0, 2000)],
  words: [
    ...'[ ] [[ ]] { } = , . " """ \' # \\ \\u0000 ${SECRET} ${NONE} ${file:x} ${ 0 -1 1e9 true false nan 1979-05-27 "" [] {} *'.split(
      ' ',
    ),
    ...'[tls] [routes] [[routes]] [limits] [sessions] [upstreams.a] [portals.home.roles] "public" "user" "authenticated" "*.example.com"'.split(
      ' ',
    ),
    ...'allow deny host path upstream portal verify redirect respond files any not all hours networks methods max_age'.split(
      ' ',
    ),
    ...'strip_prefix="/x" headers="remote" timeout="1s" websocket_compression=true keep_posts="1KiB" __proto__ constructor \n'.split(
      ' ',
    ),
  ],
  maxBytes: 2000,
  open: () => {
    const silent = () => undefined
    const log = { debug: silent, info: silent, warn: silent, error: silent }
    const pool = createUpstreamPool({
      now: () => 0,
      log,
      ask: () => Promise.reject(new TypeError('nothing is asked')),
    })
    const sources = {
      file: FILE,
      env: (name: string) => (name === 'SECRET' ? SECRET : undefined),
      readText: missing,
      readBytes: missing,
      now: () => Date.UTC(2026, 0, 1),
    }
    return {
      attempt(input) {
        const text = Buffer.from(input).toString('utf8')
        const result = checkConfig(text, sources)
        const diagnostics = result.ok ? result.warnings : result.diagnostics
        const rendered = renderDiagnostics(diagnostics, new Map([[FILE, text]]), { colour: false })
        hold(!rendered.includes(SECRET), 'no value of the environment is told', rendered)
        const lines = text.split('\n')
        for (const { line, column } of diagnostics) {
          hold(line >= 1 && line <= lines.length + 1 && column >= 1, 'a mistake is in the file', line, column)
        }
        hold(
          result.ok || diagnostics.some(({ severity }) => severity === 'error'),
          'what is refused has a mistake',
          text,
        )
        const codes = [...new Set(diagnostics.map(({ code }) => code))].slice(0, 2)
        if (!result.ok) return codes.join(' ')
        const { routes } = compileSnapshot(result.config, result.fingerprint, pool)
        hold(routes.length === result.config.routes.length, 'what is good serves', text)
        return `good ${Math.min(3, routes.length)} ${codes}`
      },
    }
  },
}

/** No file of the machine is read. */
function missing(): never {
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
}
