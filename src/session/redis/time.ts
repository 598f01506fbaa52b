import type { RedisLink } from './connection.ts'

/** The server's own time, which all processes share. Throws for an answer that is none. */
export async function serverMs(link: Pick<RedisLink, 'send'>): Promise<number> {
  const time = await link.send('TIME', [])
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : []
  if (seconds === undefined || micros === undefined) throw new Error('the session store does not say the time')
  return seconds * 1000 + Math.floor(micros / 1000)
}
