/** Recognises the files of oauth2-proxy: cfg, variables, YAML, a unit, a command line. */

import { renderDiagnostics } from '../../config/render-diagnostics.ts'
import { createLocator } from '../../config/text/locate.ts'
import { parseToml } from '../../config/text/parse.ts'
import { itemsOf } from '../../config/text/raw.ts'
import { entriesAt, parseYaml, type Yaml } from '../yaml.ts'
import { readAlpha } from './alpha.ts'
import { readCommand, readCompose, readKubernetes, readUnit } from './deployments.ts'
import {
  fillIn,
  last,
  nameOf,
  type OldText,
  type Program,
  type Reading,
  readEnvFile,
  Unreadable,
  type Variable,
  type Word,
} from './old-texts.ts'
import { OPTIONS, optionNamed, optionOfFlag, type Stated } from './options.ts'

/** What a file seems to be; null for nothing of an oauth2-proxy. */
export function seeInput({ text, path }: OldText): 'cfg' | 'variables' | 'yaml' | 'unit' | 'command line' | null {
  if (/\.(?:ya?ml|json)$/i.test(path)) return 'yaml'
  if (/^\[Service\]\s*$/m.test(text) && /^\s*ExecStart\s*=/m.test(text)) return 'unit'
  if (/^\s*(?:export\s+)?OAUTH2_PROXY_[A-Z0-9_]+\s*=/m.test(text) && !/(?:^|\s)--[a-z]/m.test(text)) return 'variables'
  if (/(?:^|\/)(?:[^/]*\.env|\.env[^/]*)$/.test(path)) return 'variables'
  if (/^[a-z0-9_]+\s*=/m.test(text)) return 'cfg'
  if (/^(?:services|apiVersion|kind)\s*:/m.test(text) || ALPHA_KEYS.some(key => `\n${text}`.includes(`\n${key}:`)))
    return 'yaml'
  const hasFlag = /(?:^|\s)['"]?--?[a-z][a-z0-9-]+(?:[=\s]|$)/m.test(text)
  if (hasFlag && (/oauth2[-_]proxy/.test(text) || /^\s*--/.test(text))) return 'command line'
  return /^\s*[a-z0-9_]+\s*=/m.test(text) ? 'cfg' : null
}

const ALPHA_KEYS = [
  'providers',
  'upstreamConfig',
  'injectRequestHeaders',
  'injectResponseHeaders',
  'server',
  'metricsServer',
]

/** Of the values of oauth2-proxy's chart. */
const CHART_KEYS = ['config', 'extraArgs', 'alphaConfig', 'extraEnv', 'sessionStorage', 'proxyVarsAsSecrets']

/** All that is said of one oauth2-proxy, by what outranks the rest. */
export type Inputs = Awaited<ReturnType<typeof readInputs>>

/**
 * Reads every file, and the flags that the command line itself has. Where a compose file, a manifest, a unit or a command names a
 * configuration file, that one is read too. Throws `Unreadable`.
 */
export async function readInputs(
  files: readonly OldText[],
  flags: readonly string[],
  readText: (path: string) => string,
  colour: boolean,
) {
  const own = files.flatMap(file => (seeInput(file) === 'variables' ? readEnvFile(file.text, file.shownAs) : []))
  const reading: Reading = {
    readText,
    lookUp: name => own.findLast(one => one.name === name)?.value,
    given: new Set(files.map(({ path }) => nameOf(path))),
    colour,
    found: { flags: [], variables: [], settings: [] },
    gaps: [],
    known: new Set(),
    alpha: null,
  }
  for (const file of files) await readFile(file, seeInput(file) ?? 'cfg', reading)
  // A compose file passes on only the variables that it names, and no others of the files beside it.
  if (!reading.known.has('variables')) sayVariables(own, reading)
  if (own.length > 0) reading.known.add('variables')
  if (flags.length > 0) {
    const said = readFlags(
      flags.map(text => ({ text, line: null })),
      null,
      reading,
    )
    reading.found.flags.push(...said)
    reading.known.add('flags')
  }
  const { found, gaps, known, alpha } = reading
  const stated = new Map<string, Stated>()
  for (const rank of [found.flags, found.variables, found.settings]) {
    for (const [name, one] of new Map(rank.map(one => [one.name, one]))) if (!stated.has(name)) stated.set(name, one)
  }
  const unread = [...(known.has('flags') ? [] : ['flags']), ...(known.has('variables') ? [] : ['OAUTH2_PROXY_*'])]
  const isSeveral = files.length > 1 || new Set([...stated.values()].map(({ file }) => file)).size > 1
  return {
    stated,
    alpha,
    gaps,
    /** Where something may be stated that was not read: `flags`, `OAUTH2_PROXY_*`. */
    unread,
    /** Whether there is more than one file. */
    isSeveral,
  }
}

async function readFile(
  file: OldText,
  kind: NonNullable<ReturnType<typeof seeInput>>,
  reading: Reading,
): Promise<void> {
  if (kind === 'cfg') readCfg(file, reading)
  if (kind === 'unit') await start(readUnit(file, reading), file.shownAs, reading)
  if (kind === 'command line') await start(readCommand(file, reading), file.shownAs, reading)
  if (kind !== 'yaml') return
  const parsed = await parseYaml(file.text)
  if (!parsed.ok) throw new Unreadable(`${file.shownAs}:${parsed.line}: ${parsed.why}`)
  const { documents } = parsed
  const [first, ...others] = documents
  const has = (...keys: readonly string[]) => documents.some(one => entriesAt(one).some(([key]) => keys.includes(key)))
  if (first !== undefined && has('services')) await start(readCompose(first, file, reading), file.shownAs, reading)
  else if (has('kind')) await start(readKubernetes(documents, file, reading), file.shownAs, reading)
  else if (first !== undefined && others.length === 0 && has(...ALPHA_KEYS)) sayAlpha(first, file, reading)
  else if (has(...CHART_KEYS)) {
    const made = `${file.shownAs.replace(/\.ya?ml$/, '')}.made.yaml`
    const way = `helm template oauth2-proxy oauth2-proxy/oauth2-proxy -f ${file.shownAs} > ${made}; sallyport import ${made}`
    const values = 'has values of the Helm chart, not the options that oauth2-proxy starts with'
    throw new Unreadable(`${file.shownAs} ${values}: import what the chart makes of them: ${way}`)
  } else {
    const none = 'is no compose file, no manifest of Kubernetes and no --alpha-config of oauth2-proxy'
    throw new Unreadable(`${file.shownAs} ${none}`)
  }
}

function sayAlpha(document: Yaml, file: OldText, reading: Reading): void {
  // $1 of a rewriteTarget is none of the environment's.
  const { alpha, stated } = readAlpha(document, file.shownAs, text => fillIn(text, reading.lookUp), reading.gaps)
  reading.alpha = alpha
  reading.found.settings.push(...stated)
}

/** The options of an oauth2-proxy.cfg. Throws where it is no TOML. */
function readCfg({ text, shownAs }: OldText, { found, colour }: Reading): void {
  const parsed = parseToml(text)
  const locator = createLocator(text)
  if (!parsed.ok) {
    const { code, message, hint } = parsed.refusal
    const place = locator.fromUnits(parsed.line, parsed.column)
    // The frame would show the line as it is, and a broken line may be the one with the secret.
    const diagnostic = { severity: 'error', code, message, hint, path: '', file: shownAs, ...place } as const
    throw new Unreadable(renderDiagnostics([diagnostic], new Map(), { colour }))
  }
  for (const [name, raw] of parsed.value.entries) {
    const values = itemsOf(raw).map(one => (one.kind === 'text' ? one.source : 'value' in one ? String(one.value) : ''))
    const line = locator.find([name], 'key').line
    found.settings.push({ name: optionNamed(name), values, isList: raw.kind === 'list', line, file: shownAs })
  }
}

/** The options that variables state, which are called as those of the file. An empty one states nothing, as oauth2-proxy has it. */
function sayVariables(variables: readonly Variable[], { found }: Reading): void {
  for (const { name, value, line, file } of last(variables)) {
    const [, option] = /^OAUTH2_PROXY_(.+)$/.exec(name) ?? []
    if (option === undefined || value === '') continue
    found.variables.push({ name: optionNamed(option.toLowerCase()), values: [value], isList: false, line, file })
  }
}

/** `--flag=value`, `--flag value` and `--switch`; one that may be given several times adds up. */
function readFlags(words: readonly Word[], file: string | null, { gaps }: Reading): readonly Stated[] {
  const found = new Map<string, Stated>()
  const rest = [...words]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const { text, line } = word
    const [, flag, given] = /^--?([A-Za-z][A-Za-z0-9_-]*)(?:=([\s\S]*))?$/.exec(text) ?? []
    if (flag === undefined) {
      if (text !== '') gaps.push({ option: 'command line', line, file, say: 'a word of it is no flag' })
      continue
    }
    const name = optionOfFlag(flag)
    const kind = OPTIONS.get(name)?.kind
    // A switch is on by being there: the word after it is not its value.
    const takesNext = given === undefined && kind !== 'on' && kind !== 'off' && rest[0]?.text.startsWith('--') === false
    const value = given ?? (takesNext ? (rest.shift()?.text ?? '') : 'true')
    const isList = kind === 'list'
    const values = isList ? [...(found.get(name)?.values ?? []), ...entriesOf(value)] : [value]
    found.set(name, { name, values, isList, line, file })
  }
  return [...found.values()]
}

/** One line of CSV (RFC 4180), as these flags take their lists. */
function entriesOf(value: string): readonly string[] {
  if (!value.includes('"')) return value.split(',')
  return [...value.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain,
  )
}

/** What something that is started says, with the configuration files that it names. */
async function start(program: Program, file: string, reading: Reading): Promise<void> {
  const set = last(program.variables)
  reading.known.add('flags')
  if (program.knowsVariables) reading.known.add('variables')
  sayVariables(set, reading)
  for (const flag of readFlags(program.flags, file, reading)) {
    const { name, line } = flag
    const [path = ''] = flag.values
    if ((name !== 'config' && name !== 'alpha_config') || path === '') {
      reading.found.flags.push(flag)
      continue
    }
    const found = program.mounted(path)
    const say = `${path} is missing, and may limit who comes in: import it beside ${file}`
    if (found !== null) {
      const lookUp = (variable: string) => set.find(one => one.name === variable)?.value ?? reading.lookUp(variable)
      const inside = { ...reading, lookUp }
      await readFile(found, name === 'config' ? 'cfg' : 'yaml', inside)
      reading.alpha = inside.alpha
    } else if (!reading.given.has(nameOf(path))) reading.gaps.push({ option: name, line, file, say })
  }
}
