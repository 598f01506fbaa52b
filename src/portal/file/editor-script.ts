/** The script of the editor, with the keys of the file that it completes: at an address of its own, which browsers keep. */

import { sha256 } from '../../base/bytes.ts'
import { configSchema } from '../../config/keys/keys.ts'
import source from '../layout/scripts/editor.js' with { type: 'file' }

/** A script as browsers get it. */
export interface EditorScript {
  readonly hash: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly gzipped: Uint8Array<ArrayBuffer>
}

let made: Promise<EditorScript> | null = null

/** Made on first use, for this process. */
export function editorScript(): Promise<EditorScript> {
  made ??= makeScript().catch((error: unknown) => {
    made = null
    throw error
  })
  return made
}

async function makeScript(): Promise<EditorScript> {
  const code = await codeOf(source)
  const text = `globalThis.KEYS=${JSON.stringify(editorKeys())};${code}`
  const plain = new Uint8Array(new TextEncoder().encode(text))
  return { hash: sha256(text).slice(0, 16), plain, gzipped: new Uint8Array(Bun.gzipSync(plain, { level: 9 })) }
}

/** The executable has it whole and packed (RFC 1952 §2.3.1); from the sources it is put together here. */
async function codeOf(path: string): Promise<string> {
  const bytes = await Bun.file(path).bytes()
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return new TextDecoder().decode(Bun.gunzipSync(bytes))
  const { outputs } = await Bun.build({ entrypoints: [path], minify: true, target: 'browser', format: 'iife' })
  const [bundle] = outputs
  if (bundle === undefined) throw new TypeError(`${path} comes to nothing`)
  return bundle.text()
}

/** The keys of each table by its path, with a star for names that the file chooses: what each is for, and its values where these are few. */
export interface EditorKeys {
  readonly tables: Readonly<
    Record<string, Readonly<Record<string, readonly [about: string, values: readonly string[]]>>>
  >
  /** Tables of which there may be several, `[[routes]]`. */
  readonly lists: readonly string[]
}

/** The same schema that `sallyport schema` prints, as far as completion needs it. */
export function editorKeys(): EditorKeys {
  const tables: Record<string, Record<string, readonly [string, readonly string[]]>> = {}
  const lists = new Set<string>()

  function walk(node: SchemaNode, path: string): void {
    for (const one of [node, ...(node.anyOf ?? [])]) {
      for (const [key, value] of Object.entries(one.properties ?? {})) {
        tables[path] ??= {}
        tables[path][key] = [value.description ?? '', valuesOf(value)]
        walk(value, path === '' ? key : `${path}.${key}`)
      }
      if (typeof one.additionalProperties === 'object') walk(one.additionalProperties, path === '' ? '*' : `${path}.*`)
      if (one.items?.type === 'object') lists.add(path)
      if (one.items !== undefined) walk(one.items, path)
    }
  }

  const schema: unknown = configSchema()
  if (!isNode(schema)) throw new TypeError('the schema is an object')
  walk(schema, '')
  return { tables, lists: [...lists].filter(path => path !== '' && tables[path] !== undefined) }
}

/** What of JSON Schema our own one uses, and is needed here. */
interface SchemaNode {
  readonly type?: string
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly additionalProperties?: boolean | SchemaNode
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
}

/** It is our own: what is an object in it is such a node. */
function isNode(raw: unknown): raw is SchemaNode {
  return typeof raw === 'object' && raw !== null
}

/** The values of a key as the file writes them, where these are few. */
function valuesOf(node: SchemaNode): readonly string[] {
  const own = [...(node.enum ?? []), ...(node.const === undefined ? [] : [node.const])].map(one => JSON.stringify(one))
  const truth = node.type === 'boolean' ? ['true', 'false'] : []
  return [...new Set([...own, ...truth, ...(node.anyOf ?? []).flatMap(valuesOf)])]
}
