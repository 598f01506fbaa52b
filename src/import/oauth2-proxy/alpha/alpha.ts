import type { Gap, Stated } from '../inputs/stated.ts'
import { itemsAt, type Yaml } from '../inputs/yaml.ts'
import { type Fields, readHeaders, statedByHeaders } from './headers.ts'
import { LOGIN_PARAMETERS, PROVIDER_KEYS, SERVER_KEYS } from './keys.ts'
import { leavesOf, lowered, statedAt, textOf } from './tree.ts'
import { type AlphaUpstream, isAskedAbout, readAlphaUpstreams } from './upstreams.ts'

/** What an alpha configuration says that no option of oauth2-proxy.cfg can. */
export interface Alpha {
  readonly upstreams: readonly AlphaUpstream[]
  /** Fields for the application that are not oauth2-proxy's usual ones; null where they are. */
  readonly fields: Fields | null
}

/** An alpha configuration as options, and the rest of it. */
export interface ReadAlpha {
  readonly alpha: Alpha
  readonly stated: readonly Stated[]
  readonly gaps: readonly Gap[]
}

/** Lists that are read as a whole. */
const LISTS = ['providers', 'injectrequestheaders', 'injectresponseheaders', 'upstreamconfig.upstreams']

/**
 * The file of `--alpha-config`. Of several providers the first one counts, as in oauth2-proxy. `fill` puts in what the environment says.
 */
export function readAlpha(document: Yaml, file: string, fill: (text: string) => string): ReadAlpha {
  const tree = lowered(document, fill)
  const gaps: Gap[] = []
  const unknown = (option: string, line: number) =>
    gaps.push({ option, line, file, say: 'nothing is known of it, so that the routes let nobody in' })
  const stated: Stated[] = []
  for (const [path, node] of leavesOf(tree, LISTS)) {
    const name = Object.hasOwn(SERVER_KEYS, path) ? SERVER_KEYS[path] : undefined
    if (name === undefined) unknown(path, node.line)
    else stated.push(statedAt(name, node, file))
  }
  const [provider, ...others] = itemsAt(tree, 'providers')
  for (const other of others) {
    gaps.push({
      option: 'providers',
      line: other.line,
      file,
      say: 'only the first provider counted there, and is in the new file: take the others out, and import again; where people shall have several, name them in providers of the portal afterwards',
    })
  }
  if (provider !== undefined) stated.push(...statedByProvider(provider, file, unknown))
  const upstreams = readAlphaUpstreams(tree, file, gaps)
  const isAsked = isAskedAbout(upstreams)
  const request = readHeaders(tree, 'injectrequestheaders', file, gaps)
  const response = readHeaders(tree, 'injectresponseheaders', file, gaps)
  const told = statedByHeaders(request, response, isAsked, file)
  return { alpha: { upstreams, fields: told.fields }, stated: [...stated, ...told.stated], gaps }
}

type Unknown = (option: string, line: number) => void

function statedByProvider(provider: Yaml, file: string, unknown: Unknown): readonly Stated[] {
  const stated: Stated[] = []
  for (const [path, node] of leavesOf(provider, ['loginurlparameters'])) {
    const name = Object.hasOwn(PROVIDER_KEYS, path) ? PROVIDER_KEYS[path] : undefined
    if (name !== undefined) stated.push(statedAt(name, node, file))
    else if (path !== 'id') unknown(`providers.${path}`, node.line)
  }
  for (const parameter of itemsAt(provider, 'loginurlparameters')) {
    const name = LOGIN_PARAMETERS[textOf(parameter, 'name') ?? '']
    if (name === undefined) unknown('providers.loginURLParameters', parameter.line)
    else
      stated.push({ name, values: [textOf(parameter, 'default') ?? 'set'], isList: false, line: parameter.line, file })
  }
  return stated
}
