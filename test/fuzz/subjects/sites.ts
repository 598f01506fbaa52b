import { type Beside, openBeside } from '../../migrate/beside-caddy.ts'
import { hold, type Subject, textOf } from '../subject.ts'

/** How many requests each Caddyfile gets: to make and to serve one takes as long as some hundreds of them. */
const REQUESTS = 500

/** Made-up sites, each a number: what the real Caddy of this machine keeps from applications, the imported gate keeps from them too. */
export const sites: Subject = {
  name: 'sites',
  seeds: ['1', '2', '3'],
  words: '0 1 2 3 4 5 6 7 8 9'.split(' '),
  maxBytes: 9,
  // 100 000 requests.
  fewest: 200,
  slowMs: Number.POSITIVE_INFINITY,
  async open() {
    const beside: Beside = await openBeside()
    return {
      async attempt(input) {
        const text = textOf(input)
        const seed = /^\d+$/.test(text) ? Number(text) : Bun.hash.crc32(input)
        const { opened, both, there } = await beside.round(seed, REQUESTS)
        hold(opened.length === 0, 'nothing opens in what is made of a Caddyfile', seed, opened)
        return `${seed} ${both} ${there}`
      },
      async close() {
        await beside[Symbol.asyncDispose]()
      },
    }
  },
}
