import { LOAD_CORE, runChild } from './process.ts'
import type { Way } from './subject.ts'

export interface Load {
  readonly requests: number
  readonly requestsPerS: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface LoadOptions {
  readonly path?: string
  readonly seconds: number
  readonly connections: number
  /** What the client sends besides, names lower-case; a cookie goes with the way's own. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * One run of wrk on the load's core. Throws when any request failed: a proxy that refuses is fast.
 */
export async function runWrk(
  way: Way,
  { path = way.path ?? '/', seconds, connections, headers = {} }: LoadOptions,
): Promise<Load> {
  const cookie = [way.headers.cookie, headers.cookie].filter(Boolean).join('; ')
  const all = { ...headers, ...way.headers, ...(cookie === '' ? {} : { cookie }) }
  const fields = Object.entries(all).flatMap(([name, value]) => [
    '-H',
    // wrk takes the place of its own Host by this spelling alone.
    `${name === 'host' ? 'Host' : name}: ${value}`,
  ])
  const load = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--latency']
  const out = await runChild(
    ['wrk', ...load, ...fields, `${way.scheme ?? 'http'}://127.0.0.1:${way.port}${path}`],
    LOAD_CORE,
  )
  if (/Non-2xx|Socket errors/.test(out)) throw new Error(`requests failed:\n${out}`)
  return {
    requests: Number(/(\d+) requests in/.exec(out)?.[1]),
    requestsPerS: Number(/Requests\/sec:\s*([\d.]+)/.exec(out)?.[1]),
    p50Ms: milliseconds(/^ +50% +(\S+)/m.exec(out)?.[1]),
    p99Ms: milliseconds(/^ +99% +(\S+)/m.exec(out)?.[1]),
  }
}

function milliseconds(text = ''): number {
  const [, digits, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? []
  return Number(digits) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1)
}
