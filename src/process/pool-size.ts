import { availableParallelism } from 'node:os'
import type { ServerConfig } from '../config/keys/server.ts'

/** How many workers `workers` of `[server]` asks for. */
export function poolSizeOf({ workers }: Pick<ServerConfig, 'workers'>): number {
  return workers === 'auto' ? availableParallelism() : workers
}
