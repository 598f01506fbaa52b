import { GateError } from '../../../src/base/errors.ts'
import { parseAuthority } from '../../../src/route/target.ts'
import { hold, type Subject, textOf } from '../subject.ts'

/** What Host says. */
export const hosts: Subject = {
  name: 'hosts',
  seeds: [
    'app.example',
    'APP.example.:8080',
    '[::1]:80',
    '127.0.0.1',
    'app_x.example:65535',
    'a..b',
    'user@host',
    '0x7f.1',
  ],
  words:
    'app.example . .. : @ / \\ [ ] [::1] [::ffff:127.0.0.1] %2e %00 :80 :65536 :0 :00080 xn-- , \t \u00a0 _ - # ?'.split(
      ' ',
    ),
  maxBytes: 300,
  open: () => ({
    attempt(input) {
      const text = textOf(input)
      let parsed: ReturnType<typeof parseAuthority>
      try {
        parsed = parseAuthority(text)
      } catch (thrown) {
        if (!(thrown instanceof GateError) || thrown.code !== 'target.host') throw thrown
        return 'target.host'
      }
      const { host, authority } = parsed
      hold(/^(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])$/.test(host), 'a host is of plain letters', host)
      hold(!host.includes('..') && host.length < 256, 'a host has no empty part', host)
      const [again, port] = [parseAuthority(authority), authority.slice(host.length)]
      hold(again.host === host && again.authority === authority, 'a host is read as itself', authority)
      hold(authority.startsWith(host) && /^(?:|:\d{1,5})$/.test(port), 'an authority is a host and a port', authority)
      const browser = URL.parse(`http://${text}/`)
      const isNumeric = browser !== null && /^\d+\.\d+\.\d+\.\d+$/.test(browser.hostname)
      const isAddress = host.startsWith('[')
      // Where a browser reads a name, it is this name; numbers are names here, and only ever match as they are written.
      hold(
        browser === null || isNumeric || isAddress || browser.hostname.replace(/\.$/, '') === host,
        'a browser reads the same host',
        text,
        host,
        browser?.hostname,
      )
      hold(browser === null || browser.username === '', 'a host has no user', text)
      return `${isAddress} ${port !== ''} ${browser === null ? 'none' : isNumeric} ${text.endsWith('.')} ${text === authority}`
    },
  }),
}
