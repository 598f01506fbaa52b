import { bad, good, type Parsed } from '../../text/outcome.ts'
import { quote } from '../../text/raw.ts'

/** What a receiver of OTLP over HTTP takes traces at (OTLP 1.5, OTLP/HTTP Request). */
const TRACES = '/v1/traces'

/** An address of OTLP over HTTP, with the path for traces where it has none. */
export function parseEndpoint(text: string): Parsed<string> {
  const not = `${quote(text)} is not the address of a receiver`
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text)) return bad('telemetry.endpoint', not, 'as "http://127.0.0.1:4318"')
  if (url.username !== '' || url.password !== '') {
    const hint = 'put it into headers: { authorization = "Basic ${OTLP_BASIC}" }'
    return bad('telemetry.endpoint', 'a user name or password cannot be in this address', hint)
  }
  if (url.search !== '' || url.hash !== '')
    return bad('telemetry.endpoint', not, 'without a query; headers takes secrets')
  if (url.port === '4317') return bad('telemetry.endpoint', not, 'that is the port for gRPC; OTLP over HTTP has 4318')
  const path = url.pathname.replace(/\/+$/, '')
  return good(`${url.origin}${path.endsWith(TRACES) ? path : path + TRACES}`)
}
