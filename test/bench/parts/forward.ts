import { openField } from '../field.ts'
import { askingOauth2Proxy, askingSallyport, askingTinyauth, verifyAlone } from '../others/asking.ts'
import { type Findings, target } from '../report.ts'
import { LOAD_COLUMNS, loadCells, measureRounds } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const CONNECTIONS = 32

/** What a verdict costs, and what it costs a proxy to ask for one: the proxy and whoever it asks, together on one core. */
export async function forward(stand: Stand, { rounds, seconds }: Effort): Promise<Findings> {
  const place = stand.asking
  const oauth2 = stand.others.paths.get('oauth2-proxy')
  const tinyauth = stand.others.paths.get('tinyauth')
  const alone = verifyAlone(place)
  const subjects = [
    alone,
    askingSallyport('caddy', place),
    askingSallyport('nginx', place),
    ...(oauth2 === undefined ? [] : [askingOauth2Proxy(oauth2, place)]),
    ...(tinyauth === undefined ? [] : [askingTinyauth(tinyauth, place)]),
  ]
  const field = openField(subjects, stand.application)
  const load = { seconds, connections: CONNECTIONS }
  const cells = subjects.map(subject => ({ subject, front: 'app' as const, load }))
  const measured = await measureRounds('forward auth', field, cells, rounds)
  for (const subject of subjects) await subject.stop().catch(() => undefined)
  const rows = measured.flatMap((row, at) => (row === null ? [] : [{ row, subject: subjects[at] }]))
  const verdict = rows.find(({ subject }) => subject === alone)?.row.cpuUsPerRequest
  return {
    tables: [
      [
        [`small GET that a proxy asks about, ${CONNECTIONS} connections`, ...LOAD_COLUMNS],
        ...rows.map(({ row }) => [row.name, ...loadCells(row)]),
      ],
    ],
    targets: verdict === undefined ? [] : [target('a verdict (verify)', verdict, 20, 'µs')],
    figures: rows.map(({ row }) => row),
    failures: field.failures,
  }
}
