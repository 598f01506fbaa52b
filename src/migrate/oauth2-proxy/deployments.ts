/** Finds oauth2-proxy in what starts it: compose files, Kubernetes, systemd units, command lines. */

import { dirname, resolve } from 'node:path'
import { at, entriesAt, itemsAt, pairsAt, textAt, type Yaml } from '../yaml.ts'
import {
  afterProgram,
  fillIn,
  isProgram,
  nameOf,
  type OldText,
  type Program,
  type Reading,
  readEnvFile,
  readOrNull,
  splitWords,
  Unreadable,
  type Variable,
  type Word,
} from './old-texts.ts'

/** The service of a compose file that is oauth2-proxy, as it is started there. */
export function readCompose(document: Yaml, file: OldText, { lookUp, readText, gaps }: Reading): Program {
  const shown = { file: file.shownAs }
  const beside = (path: string, shownAs = path) => textOf(readText, resolve(dirname(file.path), path), shownAs)
  // Files beside a compose file that docker reads automatically.
  const own = new Map(readEnvFile(beside('.env')?.text ?? '', '.env').map(({ name, value }) => [name, value]))
  const fill = (text: string) => fillIn(text, name => lookUp(name) ?? own.get(name))
  const wordsAt = (service: Yaml, key: string): readonly Word[] => {
    const node = at(service, key)
    if (node?.kind === 'text') return splitWords(fill(node.text)).map(({ text }) => ({ text, line: node.line }))
    return itemsAt(node).map(item => ({ text: fill(textAt(item) ?? ''), line: item.line }))
  }
  const started = (service: Yaml) => [...wordsAt(service, 'entrypoint'), ...wordsAt(service, 'command')]
  const services = entriesAt(document, 'services')
  const [found, ...others] = services.filter(([name, service]) => {
    const image = textAt(service, 'image')
    return isProgram(image === null ? name : fill(image)) || started(service).some(({ text }) => isProgram(text))
  })
  if (found === undefined) {
    const names = services.map(([name]) => name).join(', ')
    const has = names === '' ? 'has no services' : `has the services ${names}, of which none is oauth2-proxy`
    throw new Unreadable(`${file.shownAs} ${has}: its image, command or entrypoint would say so`)
  }
  const names = [found, ...others].map(([name]) => name).join(' and ')
  if (others.length > 0) {
    throw new Unreadable(`${file.shownAs} has several oauth2-proxy services (${names}); import a copy with one of them`)
  }
  const [name, service] = found
  const base = at(service, 'extends')
  if (base !== null)
    gaps.push({ option: 'extends', line: base.line, ...shown, say: `what ${name} extends is not read` })
  const variables: Variable[] = []
  for (const item of itemsAt(service, 'env_file')) {
    const path = textAt(item) ?? textAt(item, 'path') ?? ''
    const read = beside(fill(path), path)
    const say = `${path} cannot be read here, and may keep people out: put it where the compose file says`
    if (read !== null) {
      variables.push(...readEnvFile(read.text, path).map(one => ({ ...one, value: fill(one.value) })))
    } else if (textAt(item, 'required') !== 'false') gaps.push({ option: 'env_file', line: item.line, ...shown, say })
  }
  // A name without a value is passed on from the environment of the user who starts it.
  for (const { name, value, line } of pairsAt(service, 'environment')) {
    variables.push({ name, value: value === undefined ? (lookUp(name) ?? `<${name}>`) : fill(value), line, ...shown })
  }
  const mounted = (path: string): OldText | null => {
    for (const item of itemsAt(service, 'volumes')) {
      const short = textAt(item) ?? ['source', 'target'].map(key => textAt(item, key) ?? '').join(':')
      const [source = '', target = ''] = fill(short).split(':')
      const folder = target.replace(/\/$/, '')
      if (folder === '' || !/^[./~]/.test(source)) continue
      if (path === folder) return beside(source)
      if (path.startsWith(`${folder}/`)) return beside(source.replace(/\/$/, '') + path.slice(folder.length))
    }
    for (const item of itemsAt(service, 'configs')) {
      const name = textAt(item) ?? textAt(item, 'source') ?? ''
      if (path !== (textAt(item, 'target') ?? `/${name}`)) continue
      const content = textAt(document, 'configs', name, 'content')
      if (content !== null) return { text: fill(content), path: file.path, shownAs: `${file.shownAs} (${name})` }
      return beside(fill(textAt(document, 'configs', name, 'file') ?? ''))
    }
    return null
  }
  return { flags: afterProgram(started(service)), variables, mounted, knowsVariables: true }
}

/** What refers to a ConfigMap or a Secret begins with this. */
const REFERENCES = [
  ['ConfigMap', 'configMap'],
  ['Secret', 'secret'],
] as const

/** The container of Kubernetes manifests that is oauth2-proxy, as it is started there. */
export function readKubernetes(
  documents: readonly Yaml[],
  { path: ownPath, shownAs }: OldText,
  reading: Reading,
): Program {
  const all = documents.flatMap(one => (textAt(one, 'kind') === 'List' ? itemsAt(one, 'items') : [one]))
  const pods = all.flatMap(document => at(document, 'spec', 'template', 'spec') ?? at(document, 'spec') ?? [])
  const textsAt = (node: Yaml, key: string) =>
    itemsAt(node, key).map(item => ({ text: textAt(item) ?? '', line: item.line }))
  const containers = pods.flatMap(pod => itemsAt(pod, 'containers').map(container => ({ pod, container })))
  const [found, ...others] = containers.filter(
    ({ container }) =>
      isProgram(textAt(container, 'image')) || textsAt(container, 'command').some(({ text }) => isProgram(text)),
  )
  if (found === undefined) {
    const kinds = all.flatMap(document => textAt(document, 'kind') ?? []).join(', ') || 'nothing'
    const none = `has no container that is oauth2-proxy (it has: ${kinds}): its image or command would say so`
    throw new Unreadable(`${shownAs} ${none}`)
  }
  if (others.length > 0) {
    throw new Unreadable(`${shownAs} has several oauth2-proxy containers; import a copy with one of them`)
  }
  const { pod, container } = found
  const objectOf = (kind: string, name: string | null) =>
    all.find(one => textAt(one, 'kind') === kind && textAt(one, 'metadata', 'name') === name) ?? null
  const variables: Variable[] = []
  /** `envFrom`: whole objects; one that is not among the documents may hold anything. */
  for (const item of itemsAt(container, 'envFrom')) {
    for (const [kind, key] of REFERENCES) {
      const name = textAt(item, `${key}Ref`, 'name')
      const object = objectOf(kind, name)
      const say = `the ${kind} ${name} is not among these documents, and may keep people out: put it beside them`
      if (name === null) continue
      if (object === null) reading.gaps.push({ option: 'envFrom', line: item.line, file: shownAs, say })
      for (const [own, value] of dataOf(object)) {
        variables.push({ name: (textAt(item, 'prefix') ?? '') + own, value, line: item.line, file: shownAs })
      }
    }
  }
  for (const item of itemsAt(container, 'env')) {
    const name = textAt(item, 'name') ?? ''
    const [from] = REFERENCES.flatMap(([kind, key]) => {
      const reference = at(item, 'valueFrom', `${key}KeyRef`)
      return dataOf(objectOf(kind, textAt(reference, 'name'))).get(textAt(reference, 'key') ?? '') ?? []
    })
    variables.push({ name, value: textAt(item, 'value') ?? from ?? `<${name}>`, line: item.line, file: shownAs })
  }
  const expand = (text: string) =>
    text.replace(/\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, escaped, name) => {
      if (escaped !== undefined) return whole.slice(1)
      return variables.findLast(one => one.name === name)?.value ?? `<${name}>`
    })
  const mounted = (path: string): OldText | null => {
    for (const mount of itemsAt(container, 'volumeMounts')) {
      const folder = (textAt(mount, 'mountPath') ?? '').replace(/\/$/, '')
      const sub = textAt(mount, 'subPath')
      const isFile = sub !== null && path === folder
      if (folder === '' || !(isFile || path.startsWith(`${folder}/`))) continue
      const volume = itemsAt(pod, 'volumes').find(one => textAt(one, 'name') === textAt(mount, 'name')) ?? null
      const below = isFile ? sub : [sub, path.slice(folder.length + 1)].filter(Boolean).join('/')
      for (const source of [volume, ...itemsAt(volume, 'projected', 'sources')]) {
        for (const [kind, key] of REFERENCES) {
          const name = textAt(source, key, key === 'secret' && source === volume ? 'secretName' : 'name')
          const item = itemsAt(source, key, 'items').find(one => textAt(one, 'path') === below) ?? null
          const text = name === null ? undefined : dataOf(objectOf(kind, name)).get(textAt(item, 'key') ?? below)
          if (text !== undefined) return { text, path: ownPath, shownAs: `${shownAs} (${name})` }
        }
      }
    }
    return null
  }
  const words = ['command', 'args']
    .flatMap(key => textsAt(container, key))
    .map(({ text, line }) => ({ text: expand(text), line }))
  return { flags: afterProgram(words), variables, mounted, knowsVariables: true }
}

/** What a ConfigMap or a Secret holds, by its keys. */
function dataOf(object: Yaml | null): ReadonlyMap<string, string> {
  const isSecret = textAt(object, 'kind') === 'Secret'
  const decoded = (text: string) => (isSecret ? Buffer.from(text, 'base64').toString('utf8') : text)
  return new Map([
    ...entriesAt(object, 'data').map(([name, value]) => [name, decoded(textAt(value) ?? '')] as const),
    ...entriesAt(object, 'stringData').map(([name, value]) => [name, textAt(value) ?? ''] as const),
  ])
}

/** The `ExecStart` of a systemd unit, with `Environment` and `EnvironmentFile`. */
export function readUnit(file: OldText, reading: Reading): Program {
  const rows: { readonly name: string; readonly value: string; readonly line: number }[] = []
  const lines = file.text.split(/\r?\n/)
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1
    let row = lines[index] ?? ''
    if (/^\s*[#;]/.test(row)) continue
    while (row.endsWith('\\')) row = `${row}\n${lines[++index] ?? ''}`
    const [, name, value] = /^\s*([A-Za-z]+)\s*=\s*([\s\S]*)$/.exec(row) ?? []
    if (name !== undefined && value !== undefined) rows.push({ name, value: value.trim(), line })
  }
  const named = (name: string) => rows.filter(row => row.name === name)
  const [command, ...others] = named('ExecStart').filter(({ value }) => value !== '')
  if (command === undefined || others.length > 0) {
    const count = others.length > 0 ? 'several' : 'no'
    throw new Unreadable(`${file.shownAs} has ${count} ExecStart of oauth2-proxy`)
  }
  const set = named('Environment').flatMap(({ value, line }) => splitWords(value, line))
  const envFiles = named('EnvironmentFile').map(({ value, line }) => ({ text: value, line }))
  const words = splitWords(command.value.replace(/^[-@:+!|]+/, ''), command.line)
  return commanded(words, set, envFiles, file, reading, true)
}

/** A command line, as a script or a note has it: the line with the program in it, or only flags. */
export function readCommand(file: OldText, reading: Reading): Program {
  return commanded(splitWords(file.text), [], [], file, reading, false)
}

/** `NAME=value oauth2-proxy --flag`, `docker run -e NAME=value IMAGE --flag`, or only flags. */
function commanded(
  words: readonly Word[],
  set: readonly Word[],
  envFiles: readonly Word[],
  file: OldText,
  { readText, lookUp, given, gaps }: Reading,
  isUnit: boolean,
): Program {
  const isNamed = (index: number) => /^(?:--name|-n|--hostname|-h|--network|--net)$/.test(words[index - 1]?.text ?? '')
  const program = words.findLastIndex(({ text }, index) => isProgram(text) && !isNamed(index))
  const before = words.slice(0, Math.max(program, 0))
  const files = [...envFiles]
  const inline: Variable[] = []
  for (const [index, { text, line }] of before.entries()) {
    const previous = before[index - 1]?.text ?? ''
    const [, flag = previous, value = text] = /^(--env-file|--env|-e)=(.+)$/s.exec(text) ?? []
    const [, name, own] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=([\s\S]*))?$/.exec(value) ?? []
    if (flag === '--env-file') files.push({ text: value, line })
    else if (name !== undefined && (/^(?:-e|--env)$/.test(flag) || (own !== undefined && !flag.startsWith('-'))))
      inline.push({ name, value: own ?? `<${name}>`, line, file: file.shownAs })
  }
  const variables = set.flatMap(({ text, line }): readonly Variable[] => {
    const [, name, value = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(text) ?? []
    return name === undefined ? [] : [{ name, value, line, file: file.shownAs }]
  })
  let knowsVariables = isUnit
  for (const { text, line } of files) {
    const path = text.replace(/^-/, '')
    const read = textOf(readText, resolve(dirname(file.path), path), path)
    const say = `${path} cannot be read here, and may keep people out: import it too`
    if (read !== null) variables.push(...readEnvFile(read.text, path))
    else if (given.has(nameOf(path))) knowsVariables = false
    else gaps.push({ option: 'environment file', line, file: file.shownAs, say })
  }
  variables.push(...inline)
  const fill = (text: string) =>
    fillIn(text, name => variables.findLast(one => one.name === name)?.value ?? lookUp(name))
  const flags = words.slice(program + 1).map(({ text, line }) => ({ text: fill(text), line }))
  const mounted = (path: string) =>
    textOf(readText, path, path) ?? textOf(readText, resolve(dirname(file.path), nameOf(path)), path)
  return { flags, variables, mounted, knowsVariables }
}

function textOf(readText: (path: string) => string, path: string, shownAs: string): OldText | null {
  const text = readOrNull(readText, path)
  return text === null ? null : { text, path, shownAs }
}
