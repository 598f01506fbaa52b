import { dirname, resolve } from 'node:path'
import { isProgram, splitWords, statedByFlags, type Word } from './command-line.ts'
import type { OldText, Read, Reader, Started } from './files.ts'
import type { Gap } from './stated.ts'
import { fillIn, readEnvFile, toFillIn, type Variable } from './variables.ts'
import { at, entriesAt, itemsAt, textAt, type Yaml } from './yaml.ts'

/** The service of a compose file that is oauth2-proxy, as it is started there. */
export function readCompose(document: Yaml, file: OldText, reader: Reader): Read<Started> {
  const folder = dirname(file.path)
  const beside = readBeside(resolve(folder, '.env'), reader)
  const fill = (text: string) => fillIn(text, name => reader.lookUp(name) ?? beside.get(name))
  const services = entriesAt(document, 'services')
  const [found, ...others] = services.filter(([name, service]) => isOauth2Proxy(name, service, fill))
  if (found === undefined) {
    const names = services.map(([name]) => name).join(', ')
    const has = names === '' ? 'has no services' : `has the services ${names}, of which none is oauth2-proxy`
    return { ok: false, why: `${file.shownAs} ${has}: its image, command or entrypoint would say so` }
  }
  if (others.length > 0) {
    const names = [found, ...others].map(([name]) => name).join(' and ')
    return {
      ok: false,
      why: `${file.shownAs} has several oauth2-proxy services (${names}); import a copy with one of them`,
    }
  }
  const [name, service] = found
  const said = statedByFlags(flagsOf(service, fill), file.shownAs)
  const files = variablesOfFiles(service, file, reader, fill)
  const gaps: Gap[] = [...said.gaps, ...files.gaps]
  const base = at(service, 'extends')
  if (base !== null)
    gaps.push({ option: 'extends', line: base.line, file: file.shownAs, say: `what ${name} extends is not read` })
  return {
    ok: true,
    value: {
      flags: said.stated,
      variables: [...files.variables, ...variablesOf(service, file, reader, fill)],
      gaps,
      file: file.shownAs,
      knows: { flags: true, variables: true },
      mounted: path => mountedAt(document, service, path, file, reader, fill),
    },
  }
}

type Fill = (text: string) => string

function isOauth2Proxy(name: string, service: Yaml, fill: Fill): boolean {
  const image = textAt(service, 'image')
  const started = [...wordsAt(service, 'entrypoint', fill), ...wordsAt(service, 'command', fill)]
  return (
    (image !== null && isProgram(fill(image))) ||
    started.some(({ text }) => isProgram(text)) ||
    (image === null && isProgram(name))
  )
}

/** A command as one text or as a list of words. */
function wordsAt(service: Yaml, key: string, fill: Fill): readonly Word[] {
  const node = at(service, key)
  if (node?.kind === 'text') return splitWords(fill(node.text), node.line).map(word => ({ ...word, line: node.line }))
  return itemsAt(node).flatMap(item => (item.kind === 'text' ? [{ text: fill(item.text), line: item.line }] : []))
}

function flagsOf(service: Yaml, fill: Fill): readonly Word[] {
  const words = [...wordsAt(service, 'entrypoint', fill), ...wordsAt(service, 'command', fill)]
  return words.slice(words.findIndex(({ text }) => isProgram(text)) + 1)
}

/** `environment`, as a table or as a list; a name alone is passed on from whoever starts it. */
function variablesOf(service: Yaml, file: OldText, reader: Reader, fill: Fill): readonly Variable[] {
  const passedOn = (name: string) => reader.lookUp(name) ?? toFillIn(name)
  const node = at(service, 'environment')
  const shown = { file: file.shownAs }
  if (node?.kind === 'map') {
    return [...node.entries].map(([name, value]) => ({
      name,
      value: value.kind === 'text' ? fill(value.text) : '',
      line: value.line,
      ...shown,
    }))
  }
  return itemsAt(node).flatMap(item => {
    if (item.kind !== 'text') return []
    const [, name = '', value] = /^([^=]+)(?:=([\s\S]*))?$/.exec(item.text) ?? []
    return [{ name, value: value === undefined ? passedOn(name) : fill(value), line: item.line, ...shown }]
  })
}

function variablesOfFiles(service: Yaml, file: OldText, reader: Reader, fill: Fill) {
  const variables: Variable[] = []
  const gaps: Gap[] = []
  for (const item of itemsAt(service, 'env_file')) {
    const path = textAt(item) ?? textAt(item, 'path') ?? ''
    const isOptional = textAt(item, 'required') === 'false'
    try {
      const text = reader.readText(resolve(dirname(file.path), fill(path)))
      variables.push(...readEnvFile(text, path).map(one => ({ ...one, value: fill(one.value) })))
    } catch {
      const say = `${path} cannot be read here, and may keep people out: put it where the compose file says`
      if (!isOptional) gaps.push({ option: 'env_file', line: item.line, file: file.shownAs, say })
    }
  }
  return { variables, gaps }
}

/** What docker reads beside a compose file by itself. */
function readBeside(path: string, reader: Reader): ReadonlyMap<string, string> {
  try {
    return new Map(readEnvFile(reader.readText(path), '.env').map(({ name, value }) => [name, value]))
  } catch {
    return new Map()
  }
}

/** A file that `volumes` or `configs` put into the container. */
function mountedAt(
  document: Yaml,
  service: Yaml,
  path: string,
  file: OldText,
  reader: Reader,
  fill: Fill,
): OldText | null {
  const here = (source: string): OldText | null => {
    const where = resolve(dirname(file.path), source)
    try {
      return { text: reader.readText(where), path: where, shownAs: source }
    } catch {
      return null
    }
  }
  for (const item of itemsAt(service, 'volumes')) {
    const short = textAt(item)
    const [source, target] =
      short === null
        ? [fill(textAt(item, 'source') ?? ''), fill(textAt(item, 'target') ?? '')]
        : (fill(short).split(':') as [string, string?])
    if (target === undefined || target === '' || !/^[./~]/.test(source)) continue
    if (path === target) return here(source)
    if (path.startsWith(`${target.replace(/\/$/, '')}/`)) {
      return here(`${source.replace(/\/$/, '')}/${path.slice(target.replace(/\/$/, '').length + 1)}`)
    }
  }
  for (const item of itemsAt(service, 'configs')) {
    const name = textAt(item) ?? textAt(item, 'source') ?? ''
    if (path !== (textAt(item, 'target') ?? `/${name}`)) continue
    const content = textAt(document, 'configs', name, 'content')
    if (content !== null) return { text: fill(content), path: file.path, shownAs: `${file.shownAs} (${name})` }
    const source = textAt(document, 'configs', name, 'file')
    if (source !== null) return here(fill(source))
  }
  return null
}
