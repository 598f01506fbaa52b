import type { Context } from '../context.ts'
import type { Test } from '../matcher.ts'
import type { Directive } from '../parse.ts'
import type { Place } from './place.ts'
import { close, judgeOn, type Outcome, type Way, whereRule } from './way.ts'

/** Redirects to the same page by https. */
const TO_HTTPS = /^https:\/\/[^/]+\{(?:http\.request\.)?uri\}$/

/**
 * A way past a `redir` for some requests, who are sent on there, where that keeps nobody from anything; null for any other.
 *
 * By https everyone gets the same page, and by plain HTTP the proxy in front sends them there, or `[tls]` does. Where all came by plain
 * HTTP, nobody was ever let past. What a query chooses, whoever asks chooses: without it they get what is there otherwise. Where that is
 * an application, it was never asked with such a query, and stays closed (`sentOn`).
 */
export function pastRedirect(context: Context, directive: Directive, test: Test, way: Way, place: Place): Way | null {
  const { args, line } = directive
  const shown = `redir ${args[0] ?? ''}`
  const plain = plainHttp(test)
  if (plain !== null) {
    if (!TO_HTTPS.test(args[1] ?? '')) return null
    if (plain.isSaid !== true && place.isSecure !== true) return null
    const say = 'let the TLS proxy in front send plain HTTP to https, or write [tls], which does: no route does it'
    context.notes.add('decide', shown, line, say)
    return way
  }
  if (!asksQuery(test)) return null
  const verdict = judgeOn(test, way, place)
  if (verdict.kind === 'no') return way
  const among = verdict.kind === 'bounded' && !verdict.otherwise ? verdict : null
  return { ...way, sentOn: [...way.sentOn, { what: `redir in line ${line}`, shown, line, among }] }
}

/** Says what becomes of the requests that redirects by a query sent on, by what they come to now. */
export function saySentOn({ notes }: Context, { sentOn, end }: Outcome): void {
  for (const { shown, line } of sentOn) {
    if (end.kind === 'answer' && end.name === 'reverse_proxy') {
      const say =
        'the routes of the application behind it let nobody in for whom this may be: no route asks for a query, and it was never asked with this one; where that keeps nobody out, take it out, and import again'
      notes.add('closed', shown, line, say)
    } else {
      const say = 'not carried over, as no route asks for a query: such requests get what is there without it'
      notes.add('changed', shown, line, say)
    }
  }
}

/** A way to an application, and beside it what of it is closed, as requests were sent on before they came there. */
export function waysToApplication(way: Way): readonly Way[] {
  const closed = way.sentOn.filter(({ among }) => among === null).reduce((one, { what }) => close(one, what), way)
  const some = way.sentOn.map(({ what, among }) => {
    const within = among === null ? null : whereRule(closed, among, true)
    return within === null ? null : close(within, what)
  })
  return [...some.filter(one => one !== null), closed]
}

function partsOf(test: Test): readonly Test[] {
  return test.kind === 'all' ? test.parts.flatMap(partsOf) : [test]
}

/** What a test asks how a request came by, where it is whether that was plain HTTP, and nothing else; null for any other. */
function plainHttp(test: Test): Extract<Test, { kind: 'unknown' }> | null {
  const [only, ...others] = partsOf(test)
  if (only === undefined || others.length > 0) return null
  if (only.kind === 'unknown') return only.by === 'http' ? only : null
  const [inner, ...more] = only.kind === 'not' ? partsOf(only.part) : []
  return more.length === 0 && inner?.kind === 'unknown' && inner.by === 'https' ? inner : null
}

/** Whether a test holds for nobody who leaves out a query, and whatever else only Caddy can tell is not in it. */
function asksQuery(test: Test): boolean {
  const parts = partsOf(test)
  const isUntold = (part: Test) => part.kind === 'not' || (part.kind === 'unknown' && part.by !== 'query')
  return parts.some(part => part.kind === 'unknown') && !parts.some(isUntold)
}
