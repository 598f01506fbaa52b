import { LOAD_CORE, runChild } from './process.ts'

export interface Load {
  readonly requests: number
  readonly requestsPerS: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * One run of wrk on the load's core. Throws when any request failed: a proxy that refuses is fast.
 */
export async function runWrk(
  port: number,
  seconds: number,
  connections: number,
  headers: Readonly<Record<string, string>>,
): Promise<Load> {
  const fields = Object.entries(headers).flatMap(([name, value]) => [
    '-H',
    // wrk takes the place of its own Host by this spelling alone.
    `${name === 'host' ? 'Host' : name}: ${value}`,
  ])
  const out = await runChild(
    [
      'wrk',
      '-t',
      '1',
      '-c',
      String(connections),
      '-d',
      `${seconds}s`,
      '--latency',
      ...fields,
      `http://127.0.0.1:${port}/`,
    ],
    LOAD_CORE,
  )
  if (/Non-2xx|Socket errors/.test(out)) throw new Error(`requests failed:\n${out}`)
  return {
    requests: Number(/(\d+) requests in/.exec(out)?.[1]),
    requestsPerS: Number(/Requests\/sec:\s*([\d.]+)/.exec(out)?.[1]),
    p50Ms: milliseconds(/50%\s+(\S+)/.exec(out)?.[1]),
    p99Ms: milliseconds(/99%\s+(\S+)/.exec(out)?.[1]),
  }
}

function milliseconds(text = ''): number {
  const [, digits, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? []
  return Number(digits) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1)
}
