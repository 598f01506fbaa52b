import type { Gap, Stated } from '../inputs/stated.ts'
import { itemsAt, type Yaml } from '../inputs/yaml.ts'
import { UPSTREAM_KEYS } from './keys.ts'
import { leavesOf, lineOf, statedAt, textOf } from './tree.ts'

/** An entry of `upstreamConfig.upstreams`, in the words of `upstreams` of the file. */
export interface AlphaUpstream {
  /** `http://app:3000`, `file:///srv`, `static://200`; without a path. */
  readonly uri: string
  /** As `upstreams` has it: what ends in a slash is for what is below it. */
  readonly path: string
  /** What is taken off the path, and then put before it. */
  readonly rewrite: { readonly strip: string | null; readonly add: string | null }
  /** Whether no route says its path, so that nobody passes below it. */
  readonly isClosed: boolean
  /** Options of its own. */
  readonly own: readonly Stated[]
  readonly line: number
  readonly file: string
}

/** Whether all of them only stand for what a proxy in front has. */
export function isAskedAbout(upstreams: readonly AlphaUpstream[]): boolean {
  return upstreams.every(({ uri }) => /^static:\/\/2\d\d$/.test(uri) || uri === 'file:///dev/null')
}

/** Every entry; one whose path or target no route can say is a gap, since another upstream would answer there. */
export function readAlphaUpstreams(tree: Yaml, file: string, gaps: Gap[]): readonly AlphaUpstream[] {
  return itemsAt(tree, 'upstreamconfig', 'upstreams').flatMap((entry): readonly AlphaUpstream[] => {
    const own: Stated[] = []
    for (const [path, node] of leavesOf(entry, [])) {
      const name = Object.hasOwn(UPSTREAM_KEYS, path) ? UPSTREAM_KEYS[path] : undefined
      if (name !== undefined) own.push(statedAt(name, node, file))
      else if (!['id', 'path', 'uri', 'rewritetarget', 'static', 'staticcode'].includes(path)) {
        const say = 'nothing is known of it, so that the routes let nobody in'
        gaps.push({ option: `upstreams.${path}`, line: node.line, file, say })
      }
    }
    const isStatic = textOf(entry, 'static') === 'true'
    const uri = isStatic ? `static://${textOf(entry, 'staticcode') ?? '200'}` : (textOf(entry, 'uri') ?? '')
    const place = placeOf(textOf(entry, 'path') ?? '/', textOf(entry, 'rewritetarget'))
    if (place !== null) return [{ uri, ...place, isClosed: false, own, line: entry.line, file }]
    const line = lineOf(entry, 'path')
    const below = literalFolder(textOf(entry, 'path') ?? '')
    if (below !== null) return [{ uri, path: below, rewrite: AS_IT_IS, isClosed: true, own, line, file }]
    const say = 'no route says this path with this rewriteTarget: write it with path, strip_prefix and add_prefix'
    gaps.push({ option: 'upstreams.path', line, file, say })
    return []
  })
}

/** The folder that an expression is below, whatever it goes on with: `/img/` of `^/img/(thumb|full)/`; null for none. */
function literalFolder(expression: string): string | null {
  // With alternatives at its top, only one of them is below it.
  if (/\|(?![^(]*\))/.test(expression)) return null
  return /^\^(\/(?:[A-Za-z0-9_~-]+\/)+)(?![?*+{])/.exec(expression)?.[1] ?? null
}

const AS_IT_IS = { strip: null, add: null } as const

/** `/api/`, or `^/api/(.*)$` with what becomes of it: `/$1`, `/v2/$1`, `/api/$1`. */
function placeOf(path: string, target: string | null): Pick<AlphaUpstream, 'path' | 'rewrite'> | null {
  if (target === null) return path.startsWith('/') ? { path, rewrite: AS_IT_IS } : null
  const [, base] = /^\^(\/(?:[A-Za-z0-9_~/-]*\/)?)\(\.[*]\)\$?$/.exec(path) ?? []
  const [, before] = /^(\/(?:[A-Za-z0-9_~./-]*\/)?)\$(?:1|\{1\})$/.exec(target) ?? []
  if (base === undefined || before === undefined) return null
  if (base === before) return { path: base, rewrite: AS_IT_IS }
  const bare = (text: string) => (text === '/' ? null : text.replace(/\/$/, ''))
  return { path: base, rewrite: { strip: bare(base), add: bare(before) } }
}
