import { describe, expect, test } from 'bun:test'
import { Histogram, histogramFamily, seriesName, simpleFamily } from '../../../src/server/observe/metric-family.ts'
import {
  formatFor,
  keepCounts,
  parseMetrics,
  renderFamilies,
  renderOpenMetrics,
  sumMetrics,
} from '../../../src/server/observe/prometheus.ts'

describe('RFC 9110 §12.5.1: OpenMetrics is for whoever asks for it', () => {
  test.each([
    [null, 'text/plain'],
    ['*/*', 'text/plain'],
    ['text/plain', 'text/plain'],
    ['application/openmetrics-text', 'openmetrics'],
    ['Application/OpenMetrics-Text;version=1.0.0', 'openmetrics'],
    // What Prometheus asks with.
    [
      'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['application/openmetrics-text;q=0.3, text/plain;q=0.9', 'text/plain'],
    ['application/openmetrics-text;q=0', 'text/plain'],
    ['application/openmetrics-text;q=x', 'text/plain'],
    ['application/openmetrics-textual', 'text/plain'],
  ])('%p is answered with %s', (accept, type) => expect(formatFor(accept).contentType).toContain(type))
})

test('OpenMetrics: counters are named without _total, units are said, and the end is', () => {
  const families = [
    simpleFamily('counter', 'sent_bytes_total', 'Bytes.', 3),
    simpleFamily('gauge', 'open', 'Open.', [{ labels: { of: 'a "b" \\ \n' }, value: 2 }]),
  ]
  expect(renderOpenMetrics(families)).toBe(`# HELP sent_bytes Bytes.
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
sent_bytes_total 3
# HELP open Open.
# TYPE open gauge
open{of="a \\"b\\" \\\\ \\n"} 2
# EOF
`)
})

test('a name with anything in it is one line, which is read back', () => {
  const name = seriesName('a', { b: 'c\n"d" 1\\' })
  expect(name).not.toContain('\n')
  const [family] = parseMetrics(`# TYPE a gauge\n${name} 4\n`)
  expect([...(family?.series ?? [])]).toEqual([[name, 4]])
})

test('a histogram counts up to each bound, the bound with it', () => {
  const one = new Histogram()
  for (const ms of [1, 1.1, 250, 251, 29_999, 1e9, -5]) one.observe(ms)
  const { series } = histogramFamily('t', 'Time.', [[{ a: 'b' }, one]])
  const at = (le: string) => series.get(`t_bucket{a="b",le="${le}"}`)
  expect([at('0.001'), at('0.0025'), at('0.25'), at('0.5'), at('30.0'), at('+Inf')]).toEqual([2, 3, 4, 5, 6, 7])
  expect(series.get('t_count{a="b"}')).toBe(7)
  expect(series.get('t_sum{a="b"}')).toBeCloseTo(1_000_030.5021, 6)
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'what is no number is not told: %p',
  value => {
    const samples = [
      { labels: { of: 'a' }, value },
      { labels: { of: 'b' }, value: 1 },
    ]
    const families = [simpleFamily('gauge', 'open', 'Open.', value), simpleFamily('gauge', 'held', 'Held.', samples)]
    expect(families.map(({ series }) => [...series])).toEqual([[], [['held{of="b"}', 1]]])
    const [sent] = parseMetrics(`# TYPE a gauge\na{of="a"} ${value}\na{of="b"} 1\n`)
    expect([...(sent?.series ?? [])]).toEqual([['a{of="b"}', 1]])
    const one = new Histogram()
    if (value > 0 || Number.isNaN(value)) expect(() => one.observe(value)).toThrow(TypeError)
    one.observe(5)
    expect(histogramFamily('t', 'Time.', [[{}, one]]).series.get('t_count')).toBe(1)
  },
)

const ONE = `# HELP a_total Requests, with "quotes" and spaces.
# TYPE a_total counter
a_total{class="2xx",route="a b"} 3
a_total{class="4xx",route="x"} 1
# HELP open Open sockets.
# TYPE open gauge
open 2
# HELP build_info Which build.
# TYPE build_info gauge
build_info{version="1"} 1
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 2
took_seconds_bucket{le="+Inf"} 3
took_seconds_sum 0.25
took_seconds_count 3
`

test('a text comes back as it was', () => expect(renderFamilies(parseMetrics(ONE))).toBe(ONE))

test('series of several processes are summed, those of one alone kept, and what says which or when is the largest', () => {
  const other = ONE.replace('a_total{class="4xx",route="x"} 1', 'a_total{class="5xx",route="x"} 4').replaceAll(
    '0.25',
    '1',
  )
  const sum = renderFamilies(sumMetrics([parseMetrics(ONE), parseMetrics(other)]))
  for (const line of [
    'a_total{class="2xx",route="a b"} 6',
    'a_total{class="4xx",route="x"} 1',
    'a_total{class="5xx",route="x"} 4',
    'open 4',
    'build_info{version="1"} 1',
    'took_seconds_bucket{le="+Inf"} 6',
    'took_seconds_sum 1.25',
    'took_seconds_count 6',
  ]) {
    expect(sum.split('\n')).toContain(line)
  }
  expect(sum.match(/# TYPE a_total/g)).toHaveLength(1)
})

test('of a process that is gone, counts are kept and gauges are not', () => {
  const kept = keepCounts(parseMetrics(ONE))
  expect(kept.map(({ name }) => name)).toEqual(['a_total', 'took_seconds'])
  const after = renderFamilies(
    sumMetrics([kept, parseMetrics('# HELP open Open sockets.\n# TYPE open gauge\nopen 1\n')]),
  )
  expect(after).toContain('a_total{class="2xx",route="a b"} 3\n')
  expect(after).toContain('open 1\n')
})

test('what is no metric is left out', () =>
  expect(renderFamilies(parseMetrics('# a comment\nloose 1\n# TYPE a gauge\na x\na\n\na 1\n'))).toBe(
    '# HELP a \n# TYPE a gauge\na 1\n',
  ))
