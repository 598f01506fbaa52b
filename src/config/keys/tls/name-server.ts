import { bad, good, type Parsed } from '../../text/outcome.ts'
import { quote } from '../../text/raw.ts'
import type { NameServer } from '../../types/tls.ts'
import { parseHost } from '../../values/host.ts'

/** A name server: a host or an address, with a port where it is not 53; IPv6 in brackets. */
export function parseNameServer(text: string): Parsed<NameServer> {
  const [, name = text, digits = '53'] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text) ?? []
  const not = `${quote(text)} is not a name server`
  const host = parseHost(name)
  if (!host.ok) return bad('tls.dns', not, host.hint === '' ? 'as "host" or "host:port"' : host.hint)
  const port = Number(digits)
  if (port < 1 || port > 65_535) return bad('tls.dns', not, 'ports are 1 to 65535', digits)
  return good({ host: host.value.replace(/^\[|\]$/g, ''), port })
}
