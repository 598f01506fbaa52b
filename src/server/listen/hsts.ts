import type { ListenerOptions } from './listen.ts'

/** RFC 6797 §7.2: by HTTPS alone, and once: an application's own word gives way. */
export function withHsts(fetch: ListenerOptions['fetch'], hstsS: () => number | null): ListenerOptions['fetch'] {
  const add = (response: Response | undefined) => {
    const seconds = hstsS()
    if (seconds !== null) response?.headers.set('strict-transport-security', `max-age=${seconds}`)
    return response
  }
  return (request, front) => {
    const answer = fetch(request, front)
    return answer instanceof Promise ? answer.then(add) : add(answer)
  }
}
