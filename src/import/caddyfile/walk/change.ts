import { FORWARDED, FORWARDING, isOwn, OWN } from '../header-up.ts'
import type { Directive } from '../parse.ts'
import type { Way } from './way.ts'

/** Says that a directive is kept, and as what. */
type Note = (directive: Directive, say: string) => void

/** A change of the request that a route can make too; null for any other. */
export function changeRequest(directive: Directive, way: Way, note: Note): Way | null {
  const { name, args } = directive
  const [first = '', second = ''] = args
  const isPlain = args.every(word => !/[{}]/.test(word))
  if (name === 'uri' && first === 'strip_prefix' && args.length === 2) {
    note(directive, 'strip_prefix of a route')
    return strip(way, second)
  }
  if (name === 'rewrite') {
    const prefix = args.length === 1 ? /^(\/[^{}]*[^{}/])\{(?:uri|path)\}$/.exec(first)?.[1] : undefined
    if (prefix === undefined || way.addPrefix !== null || way.isRewritten) return null
    note(directive, 'add_prefix of a route')
    return { ...way, addPrefix: prefix, isRewritten: true }
  }
  if (name !== 'request_header' || !isPlain || directive.block !== null) return null
  const { requestHeaders: changes } = way
  if (first.startsWith('-') && args.length === 1 && isOwn(first.slice(1))) {
    note(directive, OWN)
    return way
  }
  if (first.startsWith('-') && args.length === 1 && !first.includes('*')) {
    note(directive, 'request_headers of a route')
    return { ...way, requestHeaders: { ...changes, remove: [...changes.remove, first.slice(1)] } }
  }
  if (FORWARDING.test(first.replace(/^[-+]/, ''))) {
    note(directive, FORWARDED)
    return way
  }
  const [, sign, field = ''] = /^(\+?)([A-Za-z].*)$/.exec(first) ?? []
  if (args.length !== 2 || field === '' || isOwn(field)) return null
  note(directive, 'request_headers of a route')
  const how = sign === '+' ? 'append' : 'set'
  return { ...way, requestHeaders: { ...changes, [how]: { ...changes[how], [field]: second } } }
}

/** A way whose path has lost what it begins with; null where that was changed before. */
export function strip(way: Way, prefix: string): Way | null {
  const path = prefix.replace(/\/+$/, '')
  if (way.stripPrefix !== null || way.isRewritten || !/^\/[^*?[\\{%]*$/.test(path)) return null
  return { ...way, stripPrefix: path }
}
