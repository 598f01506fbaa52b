import { columns } from '../../src/console/terminal.ts'
import { askAgain, type Comparison, type Program, recordingsOf, startSurroundings } from '../kit/recorded.ts'

/**
 * Moves every recorded set-up in, asks again what was asked then, and prints how it came out:
 * `bun test/migrate/recorded.ts [--only PART-OF-A-NAME] [--rows]`.
 *
 * `--rows` shows each row that is not the same. Exit code 1 where anything opened, closed without a word in the report, or where
 * fewer rows are the same than have to be.
 */
export const PROGRAMS: readonly Program[] = ['caddy-security', 'oauth2-proxy', 'oauth2-proxy-7.15']

/** How many rows came out in which way. */
export interface Counts {
  readonly rows: number
  readonly same: number
  readonly told: number
  readonly untold: number
  readonly opened: number
}

/** What is not the same is told in the report, or is not; what opened is counted apart. */
export function countsOf({ rows, same, differences }: Comparison): Counts {
  const others = differences.filter(({ kind }) => kind !== 'opened')
  const told = others.filter(({ isTold }) => isTold).length
  return { rows, same, told, untold: others.length - told, opened: differences.length - others.length }
}

if (import.meta.main) {
  const [, , ...args] = process.argv
  const after = (flag: string) => (args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? '') : null)
  const only = after('--only') ?? ''
  const lines: (readonly string[])[] = [['recording', 'rows', 'same', 'told', 'not told', 'opened']]
  const total = { rows: 0, same: 0, told: 0, untold: 0, opened: 0 }
  const cells = (name: string, { rows, same, told, untold, opened }: Counts) => [
    name,
    ...[rows, same, told, untold, opened].map(String),
  ]
  await using surroundings = await startSurroundings()
  for (const program of PROGRAMS) {
    for (const recording of recordingsOf(program)) {
      const name = `${program}/${recording.name}`
      if (!name.includes(only)) continue
      try {
        const compared = await askAgain(recording, surroundings)
        const counts = countsOf(compared)
        lines.push(cells(name, counts))
        for (const key of ['rows', 'same', 'told', 'untold', 'opened'] as const) total[key] += counts[key]
        if (!args.includes('--rows')) continue
        for (const { kind, what, isTold } of compared.differences) {
          console.log(`${name} ${kind}${isTold ? ', told' : ''}: ${what}`)
        }
        if (compared.differences.length > 0) for (const one of compared.told) console.log(`${name} says ${one}`)
      } catch (error) {
        console.log(`${name} is not imported: ${String(error).replace(/\s+/g, ' ').slice(0, 300)}`)
        lines.push(
          cells(name, { rows: recording.rows.length, same: 0, told: 0, untold: recording.rows.length, opened: 0 }),
        )
        total.rows += recording.rows.length
        total.untold += recording.rows.length
      }
    }
  }
  lines.push(cells('all', total))
  console.log(columns(lines))
  const share = total.rows === 0 ? 0 : total.same / total.rows
  console.log(`same: ${(100 * share).toFixed(1)} %`)
  process.exit(total.opened + total.untold === 0 && share >= 0.98 ? 0 : 1)
}
