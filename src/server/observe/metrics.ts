/** Counts that the request path keeps as plain numbers; made into text only when someone asks. */
export interface Metrics {
  /** By status class: index 0 is unused, 2 is 2xx. */
  readonly responses: number[]
  signInsAsked: number
  denied: number
  upstreamErrors: number
  truncated: number
  tooLarge: number
  rateLimited: number
  openLimited: number
  /** Answers and uploads that were cut, by why. */
  readonly cut: Record<'stalled' | 'memory', number>
  reloads: number
  reloadsRefused: number
}

export function createMetrics(): Metrics {
  return {
    responses: [0, 0, 0, 0, 0, 0],
    signInsAsked: 0,
    denied: 0,
    upstreamErrors: 0,
    truncated: 0,
    tooLarge: 0,
    rateLimited: 0,
    openLimited: 0,
    cut: { stalled: 0, memory: 0 },
    reloads: 0,
    reloadsRefused: 0,
  }
}

/** A number that is read when asked for; or several, told apart by their labels. */
export interface Gauge {
  readonly name: string
  readonly help: string
  read(): number | readonly Sample[]
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The counts in the Prometheus text exposition format 0.0.4. */
export function renderMetrics(metrics: Metrics, gauges: readonly Gauge[]): string {
  const lines: string[] = [
    '# HELP sallyport_responses_total Responses by status class.',
    '# TYPE sallyport_responses_total counter',
  ]
  for (let statusClass = 1; statusClass <= 5; statusClass++) {
    lines.push(`sallyport_responses_total{class="${statusClass}xx"} ${metrics.responses[statusClass] ?? 0}`)
  }
  counter('sign_ins_asked', 'Requests that were asked to sign in.', metrics.signInsAsked)
  counter('denied', 'Requests that a rule denied.', metrics.denied)
  counter('upstream_errors', 'Requests whose upstream failed.', metrics.upstreamErrors)
  counter(
    'truncated',
    'Answers that broke off after their beginning was sent, but for those that Bun alone sees.',
    metrics.truncated,
  )
  counter('too_large', 'Requests whose body was longer than max_body.', metrics.tooLarge)
  counter('rate_limited', 'Requests that came faster than a rate allows.', metrics.rateLimited)
  counter('open_limited', 'Requests of clients that had max_open under way.', metrics.openLimited)
  counter('stalled', 'Answers and uploads cut for want of progress.', metrics.cut.stalled)
  counter('memory_cut', 'Answers and uploads cut to stay within stall_memory.', metrics.cut.memory)
  counter('reloads', 'Configurations taken over.', metrics.reloads)
  counter('reloads_refused', 'Configurations refused for their mistakes.', metrics.reloadsRefused)
  for (const gauge of gauges) {
    lines.push(`# HELP sallyport_${gauge.name} ${gauge.help}`, `# TYPE sallyport_${gauge.name} gauge`)
    const read = gauge.read()
    const samples = typeof read === 'number' ? [{ labels: {}, value: read }] : read
    for (const { labels, value } of samples) lines.push(`sallyport_${gauge.name}${labelText(labels)} ${value}`)
  }
  return `${lines.join('\n')}\n`

  function counter(name: string, help: string, value: number): void {
    lines.push(
      `# HELP sallyport_${name}_total ${help}`,
      `# TYPE sallyport_${name}_total counter`,
      `sallyport_${name}_total ${value}`,
    )
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&')}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
