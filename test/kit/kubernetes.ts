import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A document of a manifest, as far as tests look at it. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec?: Readonly<Record<string, unknown>>
  readonly data?: Readonly<Record<string, string>>
  readonly stringData?: Readonly<Record<string, string>>
}

/** The documents of a file of docs/kubernetes. */
export function documentsOf(file: string): readonly Manifest[] {
  const text = readFileSync(join(import.meta.dir, '../../docs/kubernetes', file), 'utf8')
  return text.split(/^---$/m).map(one => Bun.YAML.parse(one) as Manifest)
}
