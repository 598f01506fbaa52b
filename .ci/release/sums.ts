import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Sum } from './types.ts'

export async function sha256Of(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256')
  for await (const part of Bun.file(path).stream()) hash.update(part)
  return hash.digest('hex')
}

/** Of every file of a folder, by name. */
export async function checkSums(folder: string): Promise<readonly Sum[]> {
  const names = readdirSync(folder).sort()
  return Promise.all(names.map(async name => ({ name, sha256: await sha256Of(join(folder, name)) })))
}

/** As `sha256sum --check` reads it. */
export function sumsText(sums: readonly Sum[]): string {
  return sums.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('')
}
