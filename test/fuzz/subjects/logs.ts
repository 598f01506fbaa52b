import { checkConfig } from '../../../src/config/check.ts'
import { findingOf } from '../../../src/migrate/rehearse/findings.ts'
import { bareLine, FORMATS, findFormat } from '../../../src/migrate/rehearse/formats.ts'
import { createGroups } from '../../../src/migrate/rehearse/groups.ts'
import { createJudge } from '../../../src/migrate/rehearse/judge.ts'
import { renderRehearsal } from '../../../src/migrate/rehearse/report.ts'
import { hold, type Subject } from '../subject.ts'

const FILE = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
[portals.home]
providers = ["id"]
roles = { staff = { domains = ["corp.test"] }, admin = { groups = ["admins"] } }
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = [{ roles = ["staff"], networks = ["10.0.0.0/8"], hours = "08:00-18:00", timezone = "Europe/Berlin" }]
[[routes]]
host = "app.example.com"
path = "/Admin"
upstream = "http://app:3000"
portal = "home"
allow = ["admin"]
`

const READING = {
  files: ['access.log'],
  format: 'a log',
  lines: 1,
  requests: 1,
  other: 0,
  skipped: 0,
  unreadable: 0,
  firstUnreadable: null,
  from: null,
  until: null,
  assumedHost: null,
}

/** A line of somebody else's access log: addresses, names and methods in it are what strangers sent. */
export const logs: Subject = {
  name: 'logs',
  seeds: [
    '{"ts":1795549308,"logger":"http.log.access","request":{"client_ip":"10.0.0.7","method":"GET","host":"app.example.com","uri":"/a?b=1"},"user_id":"ada@corp.test","status":200}',
    '10.0.0.7 - ada@corp.test [24/Nov/2026:20:41:48 +0100] "GET /admin/x?b=1 HTTP/1.1" 200 512 "-" "Mozilla"',
    'app.example.com:443 10.0.0.7 - - [24/Nov/2026:20:41:48 +0100] "POST /\\x22 HTTP/2.0" 101 -',
    '10.0.0.7 - 0b8e - ada@corp.test [2026/11/24 19:41:48] app.example.com GET app:3000 "/x" HTTP/1.1 "a \\"b\\"" 200 5 0.01',
    '{"ClientHost":"10.0.0.7","DownstreamStatus":200,"OriginStatus":200,"RequestHost":"app.example.com","RequestMethod":"GET","RequestPath":"/","StartUTC":"2026-11-24T19:41:48Z"}',
    '{"time":"2026-11-24T19:41:48.000Z","level":"info","message":"request","client":"10.0.0.7","method":"GET","host":"app.example.com","path":"/","route":"-","user":null,"status":304}',
    '10.0.0.7:50 [24/Nov/2026:19:41:48.123] web~ apps/app1 0/0/1/5/6 200 512 - - ---- 1/1/0/0/0 0/0 {app.example.com} "GET / HTTP/1.1"',
  ],
  words:
    '- [ ] " \\ \\x \\u0000 { } | / // /.. %2f ? # @ \' ` $( ; * 1e99 -1 99999 null true [] {} [[[[ ]]]] <NOSRV> ::1'.split(
      ' ',
    ),
  maxBytes: 2000,
  open() {
    const checked = checkConfig(FILE, {
      file: '/routes.toml',
      readText: nothing,
      readBytes: nothing,
      env: () => undefined,
    })
    if (!checked.ok) throw new TypeError('the file is good')
    const judge = createJudge(checked.config, checked.fingerprint, new Map())
    const facts = { hosts: new Set(['app.example.com']), namesUsers: () => true }
    return {
      attempt(input) {
        const line = new TextDecoder().decode(input)
        const said = FORMATS.map(({ name, read }) => {
          const request = read(bareLine(line))
          if (request === null || request === 'other') return `${request}`
          const groups = createGroups()
          groups.add(judge(request, request.host ?? 'app.example.com'), request)
          const findings = groups.list().map(group => findingOf(group, facts))
          const out = renderRehearsal({ reading: READING, findings }, false, true)
          const [{ fate, kind, example } = { fate: '', kind: '', example: { path: '' } }] = findings
          hold(!/[?#]/.test(example.path), 'no query is kept', line, example.path)
          hold(!/[^\P{Cc}\n]|\p{Bidi_Control}/u.test(out), 'nothing drives a terminal', line, out)
          return `${name} ${fate} ${kind}`
        })
        return `${findFormat([line])?.name} ${said.join(' ')}`
      },
    }
  },
}

const nothing = (): never => {
  throw new TypeError('the file names no other')
}
