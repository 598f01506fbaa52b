import { type Options, readOptions } from '../options.ts'
import { readCfg } from './cfg.ts'
import { statedByFlags } from './command-line.ts'
import { readCompose } from './compose.ts'
import type { OldText, Read, Reader, Started } from './files.ts'
import { readKubernetes } from './kubernetes.ts'
import { effective, type Gap, joined, type Layers, NO_LAYERS, type Stated } from './stated.ts'
import { readCommandLine, readUnit } from './unit.ts'
import { readEnvFile, statedByVariables, type Variable } from './variables.ts'
import { parseYaml, type Yaml } from './yaml.ts'

/** All that is said of one oauth2-proxy. */
export interface Inputs {
  readonly options: Options
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
    value: { options: readOptions(stated, places.size > 1 || files.length > 1), gaps: all.gaps, knows: all.knows },
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
  return {
    ok: false,
    why: `${file.shownAs} is no compose file, no manifest of Kubernetes and no --alpha-config of oauth2-proxy`,
  }
}

/** What something that is started says, with the configuration file that it names. */
async function ofStarted(read: Read<Started>, reader: Reader, colour: boolean): Promise<Read<Layers>> {
  if (!read.ok) return read
  const { flags, variables, gaps, file, knows, mounted } = read.value
  const isName = ({ name }: Stated) => name === 'config'
  const named = flags.find(isName)
  const path = named?.values[0] ?? ''
  const found = path === '' ? null : mounted(path)
  const isGiven = reader.given.has(path.slice(path.lastIndexOf('/') + 1))
  const layers: Layers = {
    flags: flags.filter(one => !isName(one)),
    variables: statedByVariables(last(variables)),
    settings: [],
    gaps,
    knows,
  }
  if (path === '' || (found === null && isGiven)) return { ok: true, value: layers }
  if (found === null) {
    const say = `${path} is not at hand, and may keep people out: import it beside ${file}`
    return {
      ok: true,
      value: { ...layers, gaps: [...gaps, { option: 'config', line: named?.line ?? null, file, say }] },
    }
  }
  const settings = readCfg(found, colour)
  return settings.ok ? { ok: true, value: { ...layers, settings: settings.value } } : settings
}

/** Each variable once: the last one counts, also where it is empty. */
function last(variables: readonly Variable[]): readonly Variable[] {
  return [...new Map(variables.map(one => [one.name, one])).values()]
}
