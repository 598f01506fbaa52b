/** The keys of `[telemetry]`. */

import { bad, good, type Parsed } from '../text/diagnostic.ts'
import { quote } from '../text/raw.ts'
import { TOKEN } from '../values/headers.ts'
import { parsed, type Type, text, wrongKind } from '../values/value.ts'
import { secret } from './secret.ts'
import { type Built, defaulted, FREE, type Keys, named, required } from './table.ts'

/** What a receiver of OTLP over HTTP takes traces at (OTLP 1.5, OTLP/HTTP Request). */
const TRACES = '/v1/traces'

/** An address of OTLP over HTTP, with the path for traces where it has none. */
function parseEndpoint(text: string): Parsed<string> {
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

const endpoint = parsed({ label: 'address', expected: 'the address of a receiver' }, parseEndpoint)

const ratio: Type<number> = {
  label: 'number from 0 to 1',
  expected: 'a number from 0 to 1',
  schema: { type: 'number', minimum: 0, maximum: 1 },
  read(raw, report) {
    if (raw.kind !== 'integer' && raw.kind !== 'float') return wrongKind(raw, this.expected, report, 'without quotes')
    if (raw.value >= 0 && raw.value <= 1) return raw.value
    report.mistake(raw.at, 'number.range', `sample must be ${this.expected}`, { hint: 'for one in ten write 0.1' })
    return undefined
  },
}

/** `[telemetry]`: where traces go. */
export const TELEMETRY = {
  endpoint: required(
    endpoint,
    'http://127.0.0.1:4318',
    'A receiver of OTLP over HTTP, in protobuf: an OpenTelemetry collector, Jaeger, Tempo. `/v1/traces` is added.',
  ),
  headers: defaulted(
    named(secret, 'field', undefined, { form: TOKEN, hint: 'a field name has letters, digits and dashes' }),
    {},
    { authorization: 'Bearer ${OTLP_TOKEN}' },
    'Fields that go with them, such as a token of the receiver.',
  ),
  sample: defaulted(
    ratio,
    1,
    0.1,
    'Of how many traces that begin here. Those that a trusted proxy began are sampled as it says.',
    FREE,
  ),
  service_name: defaulted(text(), 'sallyport', 'gate-eu', 'What this gate is called in traces.', FREE),
} as const satisfies Keys

export type TelemetryConfig = Built<typeof TELEMETRY>
