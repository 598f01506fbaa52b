/**
 * Grows the corpus: `npm run fuzz -- --seconds 60 [--seed 1] [--subject targets] [--fewest 40]`.
 *
 * Each subject has its share of the time, and one that says how many inputs it tries at the least has as long as these take; `--fewest`
 * says another number. What led to something new is added to test/corpus, and so is what was found not to hold,
 * which `npm test` then shows until it is mended. Exits 1 where anything was found.
 */
import { parseArgs } from 'node:util'
import { readCorpus, writeCorpus } from './corpus.ts'
import { fuzz, shown } from './engine.ts'
import { MADE_UP, SUBJECTS } from './subjects.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    subject: { type: 'string', multiple: true },
    fewest: { type: 'string' },
  },
})
const seed = Number(values.seed)
const seconds = Number(values.seconds)
const fewest = values.fewest === undefined ? null : Number(values.fewest)
const all = [...SUBJECTS, ...MADE_UP]
const chosen = all.filter(({ name }) => values.subject?.includes(name) ?? true)
if (!(seconds > 0) || Number.isNaN(fewest) || !Number.isSafeInteger(seed) || chosen.length === 0) {
  console.error(
    `usage: npm run fuzz -- --seconds 60 [--seed 1] [--subject ${all.map(({ name }) => name).join('|')}] [--fewest 40]`,
  )
  process.exit(2)
}

console.log(`seed ${seed}`)
const total = { tried: 0, fresh: 0, findings: 0 }
for (const subject of chosen) {
  const isKept = SUBJECTS.includes(subject)
  const corpus = isKept ? readCorpus(subject.name) : []
  const endsAt = performance.now() + (seconds * 1000) / chosen.length
  const { tried, fresh, findings, behaviours } = await fuzz(subject, {
    seed,
    corpus,
    goesOn: tried => tried < (fewest ?? subject.fewest ?? 0) || performance.now() < endsAt,
  })
  // What was found comes first, so that no full file leaves it out.
  if (isKept) writeCorpus(subject.name, [...findings.map(({ input }) => input), ...corpus, ...fresh])
  console.log(
    `${subject.name}: ${tried} inputs, ${behaviours} behaviours, ${fresh.length} new, ${findings.length} findings`,
  )
  for (const { input, message } of findings) console.log(`  ${message}\n    ${shown(input)}`)
  total.tried += tried
  total.fresh += fresh.length
  total.findings += findings.length
}
console.log(`all: ${total.tried} inputs, ${total.fresh} new, ${total.findings} findings`)
process.exit(total.findings > 0 ? 1 : 0)
