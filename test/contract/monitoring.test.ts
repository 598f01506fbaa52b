import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startAnswering } from '../kit/applications/answering.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { type Prometheus, startPrometheus } from '../kit/programs/prometheus.ts'
import { metricsOf, statusOf } from '../kit/requests.ts'
import { routeTo } from '../kit/toml.ts'

const { afterAll, beforeAll, test } = needs('prometheus')

const FOLDER = join(import.meta.dir, '../../docs/monitoring')
const RULES = readFileSync(join(FOLDER, 'alerts.yaml'), 'utf8')
const DASHBOARD = JSON.parse(readFileSync(join(FOLDER, 'grafana.json'), 'utf8')) as {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
}

const alerts = (
  parse(RULES) as { readonly groups: readonly { readonly rules: readonly { alert: string; expr: string }[] }[] }
).groups.flatMap(({ rules }) => rules)

/** Every question of both files, with what Grafana puts in place of its variables. */
const QUESTIONS = [
  ...alerts.map(({ alert, expr }) => [alert, expr] as const),
  ...DASHBOARD.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
].map(([title, expr]) => [title, expr.replaceAll('$__rate_interval', '1m').replace(/\$\w+/g, '.*')] as const)

/** Rows of the table in docs/metrics.md, which is held to what a real server says: the labels of each metric. */
const LABELS = new Map(
  [...readFileSync(join(FOLDER, '../metrics.md'), 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \|([^|]*)\|/gm)].flatMap(
    ([, name = '', kind, labels = '']) => {
      const own = [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label)
      const without = own.filter(label => label !== 'le')
      if (kind !== 'histogram') return [[name, own] as const]
      return [
        [`${name}_bucket`, own],
        [`${name}_count`, without],
        [`${name}_sum`, without],
      ] as const
    },
  ),
)

/** Metrics that a question names, with the labels that it asks them for. */
function metricsIn(text: string): readonly (readonly [name: string, labels: readonly string[]])[] {
  return [...text.matchAll(/\b((?:sallyport|process)_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', labels = '']) => [
    name,
    [...labels.matchAll(/(\w+)\s*(?:=|!)/g)].map(([, label = '']) => label),
  ])
}

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('here')))
let gate: Gate
let prometheus: Prometheus

beforeAll(async () => {
  gate = await startGate(PORTAL + routeTo(upstream, 'app.example', 'allow = "public"'))
  for (let index = 0; index < 5; index++) await statusOf(gate, '/', { host: 'app.example' })
  prometheus = await startPrometheus(gate.adminPort, RULES)
}, 300_000)
afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]()
  await gate?.[Symbol.asyncDispose]()
})

test('every metric and label that an alert or a panel asks for is one of ours', () => {
  expect(QUESTIONS.length).toBeGreaterThan(50)
  const asked = DASHBOARD.templating.list.flatMap(({ definition = '' }) => metricsIn(definition))
  const unknown = [...QUESTIONS.flatMap(([, expr]) => metricsIn(expr)), ...asked].filter(([name, labels]) => {
    const known = LABELS.get(name)
    return known === undefined || !labels.every(label => [...known, 'instance', 'job'].includes(label))
  })
  expect(unknown).toEqual([])
})

test('every metric of the table that tells of trouble is asked for by an alert or a panel', () => {
  const asked = new Set(QUESTIONS.flatMap(([, expr]) => metricsIn(expr)).map(([name]) => name))
  const never = [...LABELS.keys()].filter(name => !/_(sum|count)$/.test(name) && !asked.has(name))
  // By status class alone, which sallyport_requests_total has by route as well; and what no one looks at by itself.
  expect(never).toEqual(['sallyport_responses_total', 'sallyport_gates', 'process_start_time_seconds'])
})

test('promtool takes the rules, and finds nothing to mend in what the gate says', async () => {
  const rules = Bun.spawnSync(['promtool', 'check', 'rules', '--lint-fatal', join(FOLDER, 'alerts.yaml')])
  expect([rules.exitCode, rules.stderr.toString()]).toEqual([0, ''])
  const text = await metricsOf(gate)
  const metrics = Bun.spawnSync(['promtool', 'check', 'metrics'], { stdin: Buffer.from(text) })
  expect([metrics.exitCode, metrics.stdout.toString(), metrics.stderr.toString()]).toEqual([0, '', ''])
})

test('Prometheus takes the OpenMetrics of the gate, with its units', async () => {
  await eventually(async () => {
    const { activeTargets } = (await prometheus.ask('targets')) as {
      readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[]
    }
    const [target] = activeTargets
    // A busy machine may answer one of the scrapes too late; what is no OpenMetrics never comes up.
    if (target?.lastError?.endsWith('context deadline exceeded') !== true) expect(target?.lastError ?? '').toBe('')
    return target?.health === 'up'
  }, 'the gate was scraped')
  const metadata = await prometheus.ask('metadata?metric=sallyport_request_duration_seconds')
  // Only OpenMetrics says a unit.
  expect(metadata).toMatchObject({ sallyport_request_duration_seconds: [{ type: 'histogram', unit: 'seconds' }] })
  // Samples can be asked for a moment after the scrape is told of, and not while one came too late.
  const counted = `query?query=${encodeURIComponent('sallyport_requests_total{route="app.example/",class="2xx"}')}`
  await eventually(async () => {
    const { result } = (await prometheus.ask(counted)) as {
      readonly result: readonly { readonly metric: { readonly job: string }; readonly value: readonly unknown[] }[]
    }
    return result.length === 1 && result[0]?.metric.job === 'sallyport' && result[0].value[1] === '5'
  }, 'five requests are counted')
})

test('Prometheus can answer every question of the alerts and the dashboard, and nothing is wrong', async () => {
  for (const [title, expr] of QUESTIONS) {
    const answer = await prometheus.ask(`query?query=${encodeURIComponent(expr)}`)
    expect([title, answer]).toEqual([title, expect.objectContaining({ result: expect.any(Array) })])
  }
  await eventually(async () => {
    const { groups } = (await prometheus.ask('rules')) as {
      readonly groups: readonly { readonly rules: readonly { health: string; name: string; state: string }[] }[]
    }
    const rules = groups.flatMap(one => one.rules)
    return rules.length === alerts.length && rules.every(({ health }) => health === 'ok')
  }, 'all rules were asked')
  const { alerts: told } = (await prometheus.ask('alerts')) as {
    readonly alerts: readonly { readonly labels: { readonly alertname: string }; readonly state: string }[]
  }
  // A busy machine answers a scrape too late, or is held up: both would have to last for minutes.
  const isBusy = ({ labels: { alertname }, state }: (typeof told)[number]) =>
    state === 'pending' && ['SallyportDown', 'SallyportHeldUp'].includes(alertname)
  expect(told.filter(one => !isBusy(one))).toEqual([])
})

/** What makes an alert fire within an hour: series, each with its values of every minute. */
const TROUBLE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  SallyportDown: { 'up{job="sallyport"}': '0x70' },
  SallyportNotReady: { sallyport_ready: '0x70' },
  SallyportServerErrors: { 'sallyport_requests_total{route="a/", class="5xx"}': '0+5x70' },
  SallyportSlow: {
    'sallyport_request_duration_seconds_bucket{route="a/", le="2.5"}': '0x70',
    'sallyport_request_duration_seconds_bucket{route="a/", le="5.0"}': '0+5x70',
    'sallyport_request_duration_seconds_bucket{route="a/", le="+Inf"}': '0+5x70',
  },
  SallyportUpstreamDown: { 'sallyport_upstream_down{upstream="u", address="b"}': '1x70' },
  SallyportSignInsFail: {
    'sallyport_sign_ins_total{provider="id", result="failed"}': '0+5x70',
    'sallyport_sign_ins_total{provider="id", result="completed"}': '0+1x70',
  },
  SallyportProviderErrors: { 'sallyport_provider_errors_total{provider="id", code="down"}': '0+5x70' },
  SallyportStoreErrors: { 'sallyport_store_errors_total{call="read"}': '0+5x70' },
  SallyportClock: { sallyport_clock_untrusted: '0x70', sallyport_clock_ahead_seconds: '-20x70' },
  SallyportOtherFile: { sallyport_gates_other_file: '1x70' },
  SallyportSessionTheft: { sallyport_session_thefts_total: '0+1x70' },
  SallyportCertificateEnds: { 'sallyport_certificate_expiry_timestamp_seconds{names="a"}': '86400x70' },
  SallyportReloadRefused: { sallyport_reloads_refused_total: '0+1x70' },
  SallyportWorkersMissing: { sallyport_workers: '1x70', sallyport_workers_wanted: '2x70' },
  SallyportWorkersDie: { sallyport_worker_restarts_total: '0+1x70' },
  SallyportHeldUp: {
    'sallyport_event_loop_lag_seconds_bucket{le="0.1"}': '0x70',
    'sallyport_event_loop_lag_seconds_bucket{le="0.25"}': '0+5x70',
    'sallyport_event_loop_lag_seconds_bucket{le="+Inf"}': '0+5x70',
  },
  SallyportDescriptors: { process_open_fds: '95x70', process_max_fds: '100x70', sallyport_build_info: '1x70' },
}

test('each alert fires for what it is about', () => {
  expect(Object.keys(TROUBLE)).toEqual(alerts.map(({ alert }) => alert))
  using folder = temporaryFolder()
  const series = Object.values(TROUBLE).flatMap(one => Object.entries(one))
  const unit = {
    interval: '1m',
    input_series: series.map(([name, values]) => ({ series: name, values })),
    promql_expr_test: alerts.map(({ alert }) => ({
      expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`,
      eval_time: '65m',
      exp_samples: [{ labels: '{}', value: 1 }],
    })),
  }
  const file = join(folder.path, 'tests.yaml')
  const rules = { rule_files: [join(FOLDER, 'alerts.yaml')], evaluation_interval: '1m', tests: [unit] }
  writeFileSync(file, JSON.stringify(rules))
  const ran = Bun.spawnSync(['promtool', 'test', 'rules', file])
  const said = ran.stdout.toString() + ran.stderr.toString()
  expect([ran.exitCode, said]).toEqual([0, expect.stringContaining('SUCCESS')])
})
