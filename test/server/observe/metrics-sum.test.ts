import { expect, test } from 'bun:test'
import { keepCounts, parseMetrics, renderFamilies, sumMetrics } from '../../../src/server/observe/exposition.ts'

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
