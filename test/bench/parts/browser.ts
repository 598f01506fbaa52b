import type { Field } from '../field.ts'
import type { Findings } from '../report.ts'
import { LOAD_COLUMNS, loadCells, measureRounds, whole } from '../rounds.ts'
import type { Stand } from '../stand.ts'
import type { Effort } from './part.ts'

const CONNECTIONS = 32

/** Cookies of an application, beside the session's own. */
const COOKIE_BYTES = 2000

/** What Chromium sends when somebody follows a link, with a proxy's or a privacy setting's additions: 20 with host and cookie. */
const FIELDS: Readonly<Record<string, string>> = {
  'cache-control': 'max-age=0',
  'sec-ch-ua': '"Chromium";v="144", "Not.A/Brand";v="24", "Google Chrome";v="144"',
  'sec-ch-ua-mobile': '?0',
  'sec-ch-ua-platform': '"Linux"',
  'sec-ch-ua-platform-version': '"6.12.0"',
  'sec-ch-prefers-color-scheme': 'dark',
  dnt: '1',
  'upgrade-insecure-requests': '1',
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-user': '?1',
  'sec-fetch-dest': 'document',
  referer: 'http://app.example.com/a/page/before?with=a&query=1',
  'accept-encoding': 'gzip, deflate, br, zstd',
  'accept-language': 'en-GB,en;q=0.9,de;q=0.8,fr;q=0.7',
  priority: 'u=0, i',
  cookie: cookies(),
}

/** The request of a real browser, answered with a line of text: what fields cost. */
export async function browser(_: Stand, { rounds, seconds }: Effort, field: Field): Promise<Findings> {
  const load = { seconds, connections: CONNECTIONS, headers: FIELDS }
  const cells = field.offering('app').map(subject => ({ subject, front: 'app' as const, load }))
  const rows = whole(await measureRounds("a browser's GET", field, cells, rounds))
  return {
    tables: [
      [
        [`a browser's GET (20 fields, 2 kB of cookies), ${CONNECTIONS} connections`, ...LOAD_COLUMNS],
        ...rows.map(row => [row.name, ...loadCells(row)]),
      ],
    ],
    targets: [],
    figures: rows,
  }
}

function cookies(): string {
  const one = (index: number) => `preference_${index}=${'abcdefghijklmnop'.repeat(3)}${index}`
  let all = one(0)
  for (let index = 1; all.length < COOKIE_BYTES; index++) all += `; ${one(index)}`
  return all.slice(0, COOKIE_BYTES)
}
