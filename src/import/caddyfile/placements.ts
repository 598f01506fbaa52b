import { type Named, namedIn, readMatcher, type Test } from './matcher.ts'
import type { Directive } from './parse.ts'

/** An `authenticate`: where a portal is. */
export interface Placement {
  readonly portal: string
  /** Null: any host of the site. */
  readonly hosts: readonly string[] | null
  readonly paths: readonly string[]
  /** Paths of which all that is below is the portal's; an empty one is the whole host. */
  readonly whole: readonly string[]
}

/** Where portals are in a site. */
export function placementsIn(block: readonly Directive[]): readonly Placement[] {
  return find(block, new Map(), { hosts: null, paths: [''], whole: [''] })
}

type Around = Pick<Placement, 'hosts' | 'paths' | 'whole'>

function find(block: readonly Directive[], outer: Named, around: Around): readonly Placement[] {
  const named = namedIn(block, outer)
  return block.flatMap(({ name, args, block: inner }) => {
    const [word = ''] = args
    const here = /^[/@]/.test(word) ? narrow(readMatcher(word, named), around) : around
    if (name !== 'authenticate') return find(inner ?? [], named, here)
    const rest = here === around ? args : args.slice(1)
    return [{ portal: (rest[0] === 'with' ? rest[1] : rest[0]) ?? '', ...here }]
  })
}

function narrow(test: Test, around: Around): Around {
  const parts = test.kind === 'all' ? test.parts : [test]
  const paths = parts.flatMap(part => (part.kind === 'path' ? part.patterns : []))
  const hosts = parts.flatMap(part => (part.kind === 'host' ? part.names : []))
  return {
    paths: paths.length > 0 ? paths.map(path => path.replace(/\/?\*$/, '')) : around.paths,
    whole:
      paths.length > 0
        ? paths.filter(path => path.endsWith('*')).map(path => path.replace(/\/?\*$/, ''))
        : parts.every(part => part.kind === 'host')
          ? around.whole
          : [],
    hosts: hosts.length > 0 ? hosts : around.hosts,
  }
}
