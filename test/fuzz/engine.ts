import { mutate } from './mutate.ts'
import { createRandom } from './random.ts'
import { bytesOf, Finding, type Probe, type Subject, textOf } from './subject.ts'

export interface RunOptions {
  readonly seed: number
  /** What was kept before. */
  readonly corpus: readonly Uint8Array[]
  /** An input that takes longer, three times over, is a finding: Infinity where the machine may be busy. */
  readonly slowMs?: number
  /** Asked before each input, with how many were tried. */
  goesOn(tried: number): boolean
}

interface Found {
  /** As short as it could be made. */
  readonly input: Uint8Array
  readonly message: string
}

export interface Outcome {
  readonly tried: number
  /** Inputs that led to something that none before had led to, in the order in which they were found. */
  readonly fresh: readonly Uint8Array[]
  /** One for each thing that does not hold, by the first words of it. */
  readonly findings: readonly Found[]
  /** How many different things inputs led to. */
  readonly behaviours: number
}

/** What is told apart: words beyond these come in as many forms as there are inputs. */
const MAX_BEHAVIOURS = 3000
const MAX_FINDINGS = 10

/**
 * Changes inputs at random, keeps those that lead to something new, and goes on from these.
 *
 * Bun has no cheap way to see which lines ran, so that what an input led to, in the subject's own words, stands for it.
 * The same seed, corpus and number of inputs make the same run.
 */
export async function fuzz(subject: Subject, { seed, corpus, slowMs, goesOn }: RunOptions): Promise<Outcome> {
  const random = createRandom(seed)
  const limitMs = slowMs ?? subject.slowMs ?? 250
  const words = subject.words.map(bytesOf)
  const pool: Uint8Array[] = []
  const fresh: Uint8Array[] = []
  const known = new Set<string>()
  const findings = new Map<string, Found>()
  let tried = 0
  const probe = await subject.open()

  const take = async (input: Uint8Array, isKept: boolean): Promise<void> => {
    tried++
    const result = await judge(probe, input, limitMs)
    if (result instanceof Error) {
      const kind = kindOf(result)
      if (!findings.has(kind)) {
        const shortest = await shorten(probe, input, kind, limitMs)
        const again = await judge(probe, shortest, limitMs)
        findings.set(kind, {
          input: again instanceof Error ? shortest : input,
          message: again instanceof Error ? String(again) : `once: ${result}`,
        })
      }
      return
    }
    if (isKept) pool.push(input)
    if (known.has(result) || known.size >= MAX_BEHAVIOURS) return
    known.add(result)
    if (isKept) return
    pool.push(input)
    fresh.push(input)
  }

  try {
    for (const input of corpus) await take(input, true)
    for (const seeded of subject.seeds) await take(bytesOf(seeded), corpus.length > 0)
    while (goesOn(tried) && findings.size < MAX_FINDINGS) {
      const input = random.of(pool) ?? new Uint8Array(0)
      const other = random.of(pool) ?? input
      await take(mutate(input, other, words, subject.maxBytes, random), false)
    }
  } finally {
    await probe.close?.()
  }
  return { tried, fresh, findings: [...findings.values()], behaviours: known.size }
}

/** What an input led to, or what was thrown; slowness is something that does not hold as well. */
async function judge(probe: Probe, input: Uint8Array, slowMs: number): Promise<string | Error> {
  for (let times = 1; ; times++) {
    const startedAt = performance.now()
    try {
      const result = await probe.attempt(input)
      if (performance.now() - startedAt < slowMs) return result
      if (times === 3) return new Finding('it takes too long')
    } catch (thrown) {
      return thrown instanceof Error ? thrown : new Finding(String(thrown))
    }
  }
}

/** The beginning of what was thrown, without what differs from input to input. */
function kindOf({ name, message }: Error): string {
  return `${name}: ${message.split(/["0-9[{]/, 1)[0]}`.slice(0, 80)
}

/** Takes pieces out as long as the same thing does not hold: halves first, single bytes last. */
async function shorten(probe: Probe, input: Uint8Array, kind: string, slowMs: number): Promise<Uint8Array> {
  let shortest = input
  let tries = 0
  for (let size = Math.ceil(input.length / 2); size >= 1 && tries < 300; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < shortest.length && tries < 300; tries++) {
      const shorter = Buffer.concat([shortest.subarray(0, from), shortest.subarray(from + size)])
      const result = await judge(probe, shorter, slowMs)
      if (result instanceof Error && kindOf(result) === kind) shortest = shorter
      else from += size
    }
  }
  return shortest
}

/** An input for people to read. */
export function shown(input: Uint8Array): string {
  return JSON.stringify(textOf(input))
}
