import { configSchema } from '../keys/schema.ts'
import type { Json, Path } from '../text/raw.ts'

export type Schema = { readonly [name: string]: Json | undefined }

let whole: Schema | null = null

function wholeSchema(): Schema {
  whole ??= asSchema(configSchema()) ?? {}
  return whole
}

function asSchema(json: Json | undefined): Schema | null {
  return isTable(json) ? json : null
}

function isTable(json: Json | undefined): json is { readonly [name: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

/** The alternatives of a schema, with references resolved. */
function meantBy(schema: Schema): readonly Schema[] {
  const { $ref: ref, anyOf } = schema
  if (typeof ref === 'string') {
    const found = asSchema(asSchema(wholeSchema().definitions)?.[ref.replace('#/definitions/', '')])
    return found === null ? [] : meantBy(found)
  }
  if (!Array.isArray(anyOf)) return [schema]
  return anyOf.flatMap(one => {
    const own = asSchema(one)
    return own === null ? [] : meantBy(own)
  })
}

function below(schema: Schema, step: string | number): readonly Schema[] {
  const properties = asSchema(schema.properties)
  const own =
    typeof step === 'number'
      ? schema.items
      : properties !== null && Object.hasOwn(properties, step)
        ? properties[step]
        : schema.additionalProperties
  const found = asSchema(own)
  return found === null ? [] : meantBy(found)
}

/** What may stand at a path by the key tables: each thing that it may be; none where they know no such place. */
export function schemasAt(at: Path): readonly Schema[] {
  return at.reduce<readonly Schema[]>(
    (schemas, step) => schemas.flatMap(schema => below(schema, step)),
    meantBy(wholeSchema()),
  )
}

/** Whether the key tables know a single value here, and none of them calls it a secret. */
export function isShown(at: Path): boolean {
  const schemas = schemasAt(at)
  return (
    schemas.some(({ type }) => type !== 'object' && type !== 'array') &&
    schemas.every(({ writeOnly }) => writeOnly !== true)
  )
}

/** Whether the key tables know what is here, and there can be no secret in it. */
export function isShownWhole(at: Path): boolean {
  const schemas = schemasAt(at)
  return schemas.length > 0 && !schemas.some(schema => isAnywhere(schema, ({ writeOnly }) => writeOnly === true))
}

/** Whether something is so of a schema, at any depth. */
function isAnywhere(schema: Schema, isSo: (schema: Schema) => boolean, seen = new Set<Schema>()): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  return isSo(schema) || insidesOf(schema).some(inside => isAnywhere(inside, isSo, seen))
}

function insidesOf(schema: Schema): readonly Schema[] {
  const inside = [...Object.values(asSchema(schema.properties) ?? {}), schema.items, schema.additionalProperties]
  return inside.flatMap(one => {
    const own = asSchema(one)
    return own === null ? [] : meantBy(own)
  })
}

/** Whether a table of this kind knows a name, at any depth. */
export function hasName(schema: Schema, name: string): boolean {
  return isAnywhere(schema, ({ properties }) => Object.hasOwn(asSchema(properties) ?? {}, name))
}

/** Whether a table may stand here, at any depth. */
export function hasTable(schema: Schema): boolean {
  return isAnywhere(schema, ({ type }) => type === 'object')
}

/** What is below a list of tables belongs to one of them. */
export function withNumbers(steps: readonly string[]): Path {
  const at: (string | number)[] = []
  for (const step of steps) {
    at.push(step)
    if (at.length < steps.length && schemasAt(at).some(schema => schema.type === 'array')) at.push(0)
  }
  return at
}
