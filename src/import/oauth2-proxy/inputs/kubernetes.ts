import { isProgram, statedByFlags, type Word } from './command-line.ts'
import type { OldText, Read, Started } from './files.ts'
import type { Gap } from './stated.ts'
import { toFillIn, type Variable } from './variables.ts'
import { at, entriesAt, itemsAt, textAt, type Yaml } from './yaml.ts'

/** The container of Kubernetes manifests that is oauth2-proxy, as it is started there. */
export function readKubernetes(documents: readonly Yaml[], file: OldText): Read<Started> {
  const all = documents.flatMap(document =>
    textAt(document, 'kind') === 'List' ? itemsAt(document, 'items') : [document],
  )
  const pods = all.flatMap(document => {
    const pod = at(document, 'spec', 'template', 'spec') ?? at(document, 'spec')
    return at(pod, 'containers') === null || pod === null ? [] : [pod]
  })
  const [found, ...others] = pods.flatMap(pod =>
    itemsAt(pod, 'containers')
      .filter(isOauth2Proxy)
      .map(container => ({ pod, container })),
  )
  if (found === undefined) {
    const kinds = all.flatMap(document => textAt(document, 'kind') ?? []).join(', ')
    return {
      ok: false,
      why: `${file.shownAs} has no container that is oauth2-proxy (it has: ${kinds || 'nothing'}): its image or command would say so`,
    }
  }
  if (others.length > 0) {
    return { ok: false, why: `${file.shownAs} has several oauth2-proxy containers; import a copy with one of them` }
  }
  const { pod, container } = found
  const objects = (kind: string, name: string) =>
    all.find(document => textAt(document, 'kind') === kind && textAt(document, 'metadata', 'name') === name) ?? null
  const from = variablesOfObjects(container, file, objects)
  const variables = [...from.variables, ...variablesOf(container, file, objects)]
  const lookUp = (name: string) => variables.findLast(one => one.name === name)?.value
  const expand = (text: string) =>
    text.replace(/\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (all, escaped, name) =>
      escaped !== undefined ? all.slice(1) : (lookUp(name) ?? toFillIn(name)),
    )
  const words = (key: string): readonly Word[] =>
    itemsAt(container, key).flatMap(item =>
      item.kind === 'text' ? [{ text: expand(item.text), line: item.line }] : [],
    )
  const started = [...words('command'), ...words('args')]
  const said = statedByFlags(started.slice(started.findIndex(({ text }) => isProgram(text)) + 1), file.shownAs)
  return {
    ok: true,
    value: {
      flags: said.stated,
      variables,
      gaps: [...said.gaps, ...from.gaps],
      file: file.shownAs,
      knows: { flags: true, variables: true },
      mounted: path => mountedAt(pod, container, path, file, objects),
    },
  }
}

/** A ConfigMap or Secret among the documents. */
type Objects = (kind: string, name: string) => Yaml | null

function isOauth2Proxy(container: Yaml): boolean {
  const image = textAt(container, 'image')
  return (
    (image !== null && isProgram(image)) ||
    itemsAt(container, 'command').some(item => item.kind === 'text' && isProgram(item.text))
  )
}

function variablesOf(container: Yaml, file: OldText, objects: Objects): readonly Variable[] {
  return itemsAt(container, 'env').flatMap(item => {
    const name = textAt(item, 'name')
    if (name === null) return []
    const value = textAt(item, 'value') ?? valueFrom(item, objects) ?? toFillIn(name)
    return [{ name, value, line: item.line, file: file.shownAs }]
  })
}

function valueFrom(item: Yaml, objects: Objects): string | null {
  for (const [kind, key] of REFERENCES) {
    const reference = at(item, 'valueFrom', `${key}KeyRef`)
    if (reference === null) continue
    return dataOf(objects(kind, textAt(reference, 'name') ?? '')).get(textAt(reference, 'key') ?? '') ?? null
  }
  return null
}

const REFERENCES = [
  ['ConfigMap', 'configMap'],
  ['Secret', 'secret'],
] as const

/** `envFrom`: whole objects; one that is not among the documents may hold anything. */
function variablesOfObjects(container: Yaml, file: OldText, objects: Objects) {
  const variables: Variable[] = []
  const gaps: Gap[] = []
  for (const item of itemsAt(container, 'envFrom')) {
    for (const [kind, key] of REFERENCES) {
      const name = textAt(item, `${key}Ref`, 'name')
      if (name === null) continue
      const object = objects(kind, name)
      const prefix = textAt(item, 'prefix') ?? ''
      const say = `the ${kind} ${name} is not among these documents, and may keep people out: put it beside them`
      if (object === null) gaps.push({ option: 'envFrom', line: item.line, file: file.shownAs, say })
      for (const [own, value] of dataOf(object)) {
        variables.push({ name: prefix + own, value, line: item.line, file: file.shownAs })
      }
    }
  }
  return { variables, gaps }
}

/** What an object holds, by its keys. */
function dataOf(object: Yaml | null): ReadonlyMap<string, string> {
  const isSecret = textAt(object, 'kind') === 'Secret'
  const plain = (key: string, decode: (text: string) => string) =>
    entriesAt(object, key).flatMap(([name, value]) =>
      value.kind === 'text' ? [[name, decode(value.text)] as const] : [],
    )
  return new Map([
    ...plain('data', text => (isSecret ? Buffer.from(text, 'base64').toString('utf8') : text)),
    ...plain('stringData', text => text),
  ])
}

/** A file that a volume puts into the container, from an object among the documents. */
function mountedAt(pod: Yaml, container: Yaml, path: string, file: OldText, objects: Objects): OldText | null {
  for (const mount of itemsAt(container, 'volumeMounts')) {
    const folder = (textAt(mount, 'mountPath') ?? '').replace(/\/$/, '')
    const sub = textAt(mount, 'subPath')
    const isFile = sub !== null && path === folder
    if (folder === '' || !(isFile || path.startsWith(`${folder}/`))) continue
    const volume = itemsAt(pod, 'volumes').find(one => textAt(one, 'name') === textAt(mount, 'name')) ?? null
    const below = isFile ? sub : [sub, path.slice(folder.length + 1)].filter(Boolean).join('/')
    const sources = [volume, ...itemsAt(volume, 'projected', 'sources')]
    for (const source of sources) {
      for (const [kind, key] of REFERENCES) {
        const name = textAt(source, key, key === 'secret' && source === volume ? 'secretName' : 'name')
        if (name === null) continue
        const item = itemsAt(source, key, 'items').find(one => textAt(one, 'path') === below) ?? null
        const text = dataOf(objects(kind, name)).get(textAt(item, 'key') ?? below)
        if (text !== undefined) return { text, path: file.path, shownAs: `${file.shownAs} (${name})` }
      }
    }
  }
  return null
}
