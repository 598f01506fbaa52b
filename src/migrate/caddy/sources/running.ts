import { UnreadError } from '../../../base/http-client.ts'
import { ask } from '../../../console/network.ts'
import { type CaddyJson, MOST_BYTES, parseCaddyJson } from './json.ts'

/** How long a running Caddy has to answer. */
const PATIENCE_MS = 10_000

/** What was named on the command line: a Caddy that runs here, an address that is none, or a file. */
export type Named = { readonly kind: 'caddy'; readonly url: string } | { readonly kind: 'refused' | 'file' }

const ADDRESS = /^(?:http:\/\/)?(localhost|127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})(?:\/(?:config\/?)?)?$/i

/**
 * The address that the operator named. Its API reveals every secret of Caddy, so only an API of this machine is asked.
 * `localhost` is 127.0.0.1, without asking a name server.
 */
export function seeNamed(named: string): Named {
  const [, host = '', port = ''] = ADDRESS.exec(named) ?? []
  const url = `http://${host.toLowerCase() === 'localhost' ? '127.0.0.1' : host}:${port}/config/`
  if (host !== '' && Number(port) > 0 && URL.canParse(url)) return { kind: 'caddy', url }
  return { kind: host !== '' || /^[a-z][a-z0-9+.-]*:\/\//i.test(named) ? 'refused' : 'file' }
}

/** What to say of an address that is not asked. */
export const REFUSED =
  'is not asked: a file, or the API of a Caddy on this machine, as http://localhost:2019 (localhost, 127.0.0.1 or [::1] with its port)'

/** Asks a running Caddy for its configuration: one GET, which follows no redirect. */
export async function askRunning(url: string, shownAs: string): Promise<CaddyJson> {
  const fail = (why: string): CaddyJson => ({ ok: false, why: `${shownAs} ${why}`, isUsage: false })
  try {
    const answer = await ask(url, { signal: AbortSignal.timeout(PATIENCE_MS), maxBytes: MOST_BYTES })
    if (answer.status === 200) return parseCaddyJson(await answer.text(), shownAs)
    await answer.drop()
    if (answer.status === 403) return fail('answers 403: the "origins" of its admin API do not list this address')
    return fail(`answers ${answer.status}, which Caddy's admin API does not: is this its port?`)
  } catch (error) {
    if (error instanceof UnreadError) return fail(`answers with something that ${error.message}`)
    if (error instanceof Error && error.name === 'TimeoutError') return fail('has not answered within 10 seconds')
    return fail(
      `does not answer${codeOf(error)}: with "admin off", or in a container, take the file that it saves itself${SAVED}`,
    )
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
}

/** Where Caddy saves its configuration, at every load. */
const SAVED = `
  Docker:  docker exec caddy cat /config/caddy/autosave.json > caddy.json
  Debian:  sudo cat /var/lib/caddy/.config/caddy/autosave.json > caddy.json`
