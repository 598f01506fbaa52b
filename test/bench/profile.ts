import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Grid } from './report.ts'

/** What of a `.cpuprofile` is read (the inspector's Profiler.Profile). */
interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[]
  readonly samples: readonly number[]
}

interface Frame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

const SHOWN = 20
const ROOT = join(import.meta.dir, '../..')

/**
 * Which functions the samples of all profiles in a folder were taken in. A sample counts as one, whatever time had passed
 * before it: while nobody asks none is taken, and that time is no function's.
 */
export function profileTable(folder: string): Grid {
  const counts = new Map<string, number>()
  let total = 0
  for (const file of readdirSync(folder).filter(name => name.endsWith('.cpuprofile'))) {
    const { nodes, samples } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile
    const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]))
    for (const sample of samples) {
      const place = places.get(sample) ?? '?'
      counts.set(place, (counts.get(place) ?? 0) + 1)
      total++
    }
  }
  const most = [...counts].sort(([, one], [, other]) => other - one).slice(0, SHOWN)
  return [
    ['functions of the gate, by samples', '%'],
    ...most.map(([place, count]) => [place, ((100 * count) / total).toFixed(1)]),
  ]
}

function placeOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === '' ? '(no name)' : functionName
  if (!url.startsWith('file:')) return `${name} (Bun)`
  return `${name} ${relative(ROOT, fileURLToPath(url))}:${lineNumber + 1}`
}
