/** Whatever listens on a port of this machine. */
export interface Listening {
  readonly port: number
}

/** Fields of a request, names in lower case. */
export type Fields = Readonly<Record<string, string>>

/** One request to a gate, by the host in its fields, without following anything. */
export function fetchFrom(
  { port }: Listening,
  path: string,
  headers: Fields,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init, headers })
}

/** The status of one request; its body is not waited for. */
export async function statusOf(at: Listening, path: string, headers: Fields): Promise<number> {
  const answer = await fetchFrom(at, path, headers)
  await answer.body?.cancel()
  return answer.status
}

/** The status of a sign-out at a host, by the form of the page there. */
export async function signOutOf(at: Listening, host: string, cookie: string): Promise<number> {
  const headers = { host, cookie, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }
  const answer = await fetchFrom(at, '/.sallyport/logout', headers, { method: 'POST' })
  await answer.body?.cancel()
  return answer.status
}

/** A form that is sent to one of the pages of ours, by its name below `/.sallyport/`. */
export function sendForm(at: Listening, page: string, headers: Fields, form: Fields): Promise<Response> {
  return fetchFrom(at, `/.sallyport/${page}`, headers, { method: 'POST', body: new URLSearchParams(form) })
}

/** All that the admin listener shows of a gate. */
export async function metricsOf({ adminPort }: { readonly adminPort: number }): Promise<string> {
  // One process runs many gates, and a later one may be given the port of an earlier one, whose kept connections are dead.
  return (await fetch(`http://127.0.0.1:${adminPort}/metrics`, { keepalive: false })).text()
}

/** A number among that for a metric, by its whole name with its labels; NaN where it shows none. */
export async function metricOf(gate: { readonly adminPort: number }, name: string): Promise<number> {
  const line = (await metricsOf(gate)).split('\n').find(one => one.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}
