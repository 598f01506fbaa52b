import type { Family } from './family.ts'

/** A text format for metrics, and how a program asks for it. */
interface Format {
  readonly contentType: string
  render(families: readonly Family[]): string
}

/** The Prometheus text format 0.0.4, for whoever asks for nothing else. */
const PLAIN: Format = { contentType: 'text/plain; version=0.0.4; charset=utf-8', render: renderFamilies }

const OPEN_METRICS: Format = {
  contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  render: renderOpenMetrics,
}

/** The format that an Accept field asks for (RFC 9110 §12.5.1): OpenMetrics where it is named, and not less wanted than plain text. */
export function formatFor(accept: string | null): Format {
  const wanted = qualityOf(accept ?? '', 'application/openmetrics-text')
  return wanted > 0 && wanted >= qualityOf(accept ?? '', 'text/plain') ? OPEN_METRICS : PLAIN
}

/** The highest quality that an Accept field gives a type by its name; 0 where it does not name it. */
function qualityOf(accept: string, type: string): number {
  let highest = 0
  for (const range of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = range.split(';').map(part => part.trim())
    if (name !== type) continue
    const stated = parameters.find(parameter => parameter.startsWith('q='))
    const quality = stated === undefined ? 1 : Number(stated.slice(2))
    if (quality > highest) highest = quality
  }
  return highest
}

/** The families in the Prometheus text exposition format 0.0.4. */
export function renderFamilies(families: readonly Family[]): string {
  return families.map(({ name, help, kind, series }) => head(name, kind, '', help) + lines(series)).join('')
}

/**
 * The families in OpenMetrics 1.0: a counter's name is without its `_total`, which its series keep, and a name that ends in a unit says so.
 *
 * Source: OpenMetrics 1.0 §4.2 (names and units), §4.1 (`# EOF`).
 */
export function renderOpenMetrics(families: readonly Family[]): string {
  const texts = families.map(({ name, help, kind, series }) => {
    const family = kind === 'counter' ? name.replace(/_total$/, '') : name
    const unit = /_(seconds|bytes)$/.exec(family)?.[1]
    return head(family, kind, unit === undefined ? '' : `# UNIT ${family} ${unit}\n`, help) + lines(series)
  })
  return `${texts.join('')}# EOF\n`
}

function head(name: string, kind: string, unit: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${unit}`
}

function lines(series: Family['series']): string {
  let text = ''
  for (const [key, value] of series) text += `${key} ${value}\n`
  return text
}
