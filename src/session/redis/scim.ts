import type { ScimStore } from '../store.ts'
import type { RedisLink } from './connection.ts'
import { REPLACE_PUSHED } from './scripts/shared.ts'

/** What providers have pushed to a server: a hash for each directory, which no time takes away. */
export function pushedOver(link: RedisLink): ScimStore {
  const keyOf = (directory: string) => `sallyport:1:${directory}`
  return {
    async listPushed(directory) {
      const values = await link.send('HVALS', [keyOf(directory)])
      return Array.isArray(values) ? values.map(String) : []
    },
    async readPushed(directory, id) {
      const value = await link.send('HGET', [keyOf(directory), id])
      return typeof value === 'string' ? value : null
    },
    async replacePushed(directory, id, before, after) {
      return (await link.run(REPLACE_PUSHED, [directory, id, before ?? '', after ?? ''])) === 1
    },
  }
}
