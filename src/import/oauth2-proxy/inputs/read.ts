import { type Alpha, readAlpha } from '../alpha/alpha.ts'
import { type Options, readOptions } from '../options.ts'
import { readCfg } from './cfg.ts'
import { statedByFlags } from './command-line.ts'
import { readCompose } from './compose.ts'
import type { OldText, Read, Reader, Started } from './files.ts'
import { readKubernetes } from './kubernetes.ts'
import { effective, joined, type Layers, NO_LAYERS } from './layers.ts'
import type { Gap } from './stated.ts'
import { readCommandLine, readUnit } from './unit.ts'
import { fillIn, readEnvFile, statedByVariables, type Variable } from './variables.ts'
import { parseYaml, type Yaml } from './yaml.ts'

/** All that is said of one oauth2-proxy. */
export interface Inputs {
  readonly options: Options
  readonly alpha: Alpha | null
  readonly gaps: readonly Gap[]
  readonly knows: Layers['knows']
}

/** What one of its files is. */
export type InputKind = 'cfg' | 'variables' | 'yaml' | 'unit' | 'command line'

/** What a file seems to be; null for none of them. */
export function seeInput({ text, path }: OldText): InputKind | null {
  if (/\.(?:ya?ml|json)$/i.test(path)) return 'yaml'
  if (/^\[Service\]\s*$/m.test(text) && /^\s*ExecStart\s*=/m.test(text)) return 'unit'
  if (/^\s*(?:export\s+)?OAUTH2_PROXY_[A-Z0-9_]+\s*=/m.test(text) && !/(?:^|\s)--[a-z]/m.test(text)) return 'variables'
  if (/(?:^|\/)(?:[^/]*\.env|\.env[^/]*)$/.test(path)) return 'variables'
  if (/^[a-z0-9_]+\s*=/m.test(text)) return 'cfg'
  if (TOP_KEYS.test(text)) return 'yaml'
  if (
    /(?:^|\s)['"]?--?[a-z][a-z0-9-]+(?:[=\s]|$)/m.test(text) &&
    (/oauth2[-_]proxy/.test(text) || /^\s*--/.test(text))
  ) {
    return 'command line'
  }
  return /^\s*[a-z0-9_]+\s*=/m.test(text) ? 'cfg' : null
}

const TOP_KEYS =
  /^(?:services|apiVersion|kind|providers|upstreamConfig|injectRequestHeaders|injectResponseHeaders|server|metricsServer)\s*:/m

/**
 * Reads every file, and the flags that the command line itself has; a flag outranks a variable, and that what files say. Where a
 * compose file, a manifest, a unit or a command names a configuration file, that one is read too.
 */
export async function readInputs(
  files: readonly OldText[],
  flags: readonly string[],
  readText: (path: string) => string,
  colour: boolean,
): Promise<Read<Inputs>> {
  const kinds = files.map(file => seeInput(file) ?? 'cfg')
  const own = files.flatMap((file, index) => (kinds[index] === 'variables' ? readEnvFile(file.text, file.shownAs) : []))
  const reader: Reader = {
    readText,
    lookUp: name => own.findLast(one => one.name === name)?.value,
    given: new Set(files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1))),
  }
  const layers: Layers[] = []
  for (const [index, file] of files.entries()) {
    const read = await readFile(file, kinds[index] ?? 'cfg', reader, colour)
    if (!read.ok) return read
    layers.push(read.value)
  }
  // A compose file hands on what it names, and nothing else that is beside it.
  const isHandedOn = layers.some(({ knows }) => knows.variables)
  if (own.length > 0)
    layers.push({
      ...NO_LAYERS,
      variables: isHandedOn ? [] : statedByVariables(last(own)),
      knows: { flags: false, variables: true },
    })
  if (flags.length > 0) {
    const said = statedByFlags(
      flags.map(text => ({ text, line: null })),
      null,
    )
    layers.push({ ...NO_LAYERS, flags: said.stated, gaps: said.gaps, knows: { flags: true, variables: false } })
  }
  const all = joined(layers)
  const stated = effective(all)
  const places = new Set([...stated.values()].map(({ file }) => file))
  return {
    ok: true,
    value: {
      options: readOptions(stated, places.size > 1 || files.length > 1),
      alpha: all.alpha,
      gaps: all.gaps,
      knows: all.knows,
    },
  }
}

async function readFile(file: OldText, kind: InputKind, reader: Reader, colour: boolean): Promise<Read<Layers>> {
  switch (kind) {
    case 'variables':
      return { ok: true, value: NO_LAYERS }
    case 'cfg': {
      const read = readCfg(file, colour)
      return read.ok ? { ok: true, value: { ...NO_LAYERS, settings: read.value } } : read
    }
    case 'unit':
      return ofStarted(readUnit(file, reader), reader, colour)
    case 'command line':
      return ofStarted(readCommandLine(file, reader), reader, colour)
    case 'yaml': {
      const parsed = await parseYaml(file.text)
      if (!parsed.ok) return { ok: false, why: `${file.shownAs}:${parsed.line}: ${parsed.why}` }
      return ofYaml(parsed.documents, file, reader, colour)
    }
  }
}

async function ofYaml(
  documents: readonly Yaml[],
  file: OldText,
  reader: Reader,
  colour: boolean,
): Promise<Read<Layers>> {
  const [first] = documents
  const has = (...keys: readonly string[]) =>
    documents.some(one => one.kind === 'map' && keys.some(key => one.entries.has(key)))
  if (first !== undefined && has('services')) return ofStarted(readCompose(first, file, reader), reader, colour)
  if (has('kind')) return ofStarted(readKubernetes(documents, file), reader, colour)
  if (first !== undefined && documents.length === 1 && has(...ALPHA_KEYS)) return ofAlpha(first, file, reader.lookUp)
  if (has(...CHART_KEYS)) {
    const made = `${file.shownAs.replace(/\.ya?ml$/, '')}.made.yaml`
    const why = `${file.shownAs} has values of the Helm chart, which are not what it is started with: import what the chart makes of them: helm template oauth2-proxy oauth2-proxy/oauth2-proxy -f ${file.shownAs} > ${made}; sallyport import ${made}`
    return { ok: false, why }
  }
  const why = `${file.shownAs} is no compose file, no manifest of Kubernetes and no --alpha-config of oauth2-proxy`
  return { ok: false, why }
}

/** Of the values of oauth2-proxy's chart. */
const CHART_KEYS = ['config', 'extraArgs', 'alphaConfig', 'extraEnv', 'sessionStorage', 'proxyVarsAsSecrets']

const ALPHA_KEYS = [
  'providers',
  'upstreamConfig',
  'injectRequestHeaders',
  'injectResponseHeaders',
  'server',
  'metricsServer',
]

function ofAlpha(document: Yaml, file: OldText, lookUp: Reader['lookUp']): Read<Layers> {
  // $1 of a rewriteTarget is none of the environment's.
  const { alpha, stated, gaps } = readAlpha(document, file.shownAs, text => fillIn(text, lookUp))
  return { ok: true, value: { ...NO_LAYERS, settings: stated, alpha, gaps } }
}

/** Flags that name a file of their own. */
const FILE_FLAGS = ['config', 'alpha_config']

/** What something that is started says, with the configuration files that it names. */
async function ofStarted(read: Read<Started>, reader: Reader, colour: boolean): Promise<Read<Layers>> {
  if (!read.ok) return read
  const { flags, variables, gaps, file, knows, mounted } = read.value
  const set = last(variables)
  const layers: Layers[] = [
    {
      ...NO_LAYERS,
      flags: flags.filter(({ name }) => !FILE_FLAGS.includes(name)),
      variables: statedByVariables(set),
      gaps,
      knows,
    },
  ]
  for (const { name, values, line } of flags) {
    const [path = ''] = values
    if (!FILE_FLAGS.includes(name) || path === '') continue
    const found = mounted(path)
    if (found === null) {
      const say = `${path} is not at hand, and may keep people out: import it beside ${file}`
      const isGiven = reader.given.has(path.slice(path.lastIndexOf('/') + 1))
      if (!isGiven) layers.push({ ...NO_LAYERS, gaps: [{ option: name, line, file, say }] })
      continue
    }
    const lookUp = (variable: string) => set.find(one => one.name === variable)?.value ?? reader.lookUp(variable)
    const settings = await readFile(found, name === 'config' ? 'cfg' : 'yaml', { ...reader, lookUp }, colour)
    if (!settings.ok) return settings
    layers.push(settings.value)
  }
  return { ok: true, value: joined(layers) }
}

/** Each variable once: the last one counts, also where it is empty. */
function last(variables: readonly Variable[]): readonly Variable[] {
  return [...new Map(variables.map(one => [one.name, one])).values()]
}
