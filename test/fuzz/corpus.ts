import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf, textOf } from './subject.ts'

/** Where what was found worth keeping is: a file for each subject, an input a line. */
export const CORPUS = join(import.meta.dir, '../corpus')

/** No file becomes longer: all of them together stay below a megabyte. */
const MAX_FILE_BYTES = 90_000

export const corpusPath = (name: string, folder = CORPUS): string => join(folder, `${name}.txt`)

/** The inputs of a subject; none where it has no file yet. */
export function readCorpus(name: string, folder = CORPUS): readonly Uint8Array[] {
  const path = corpusPath(name, folder)
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => bytesOf(String(JSON.parse(line))))
}

/** Writes the inputs of a subject, as many as a file may hold; each is a JSON string in ASCII of bytes as characters. */
export function writeCorpus(name: string, inputs: readonly Uint8Array[], folder = CORPUS): void {
  let text = ''
  for (const input of inputs) {
    const line = JSON.stringify(textOf(input)).replace(/[\x7f-\xff]/g, one => `\\u00${one.charCodeAt(0).toString(16)}`)
    if (text.length + line.length < MAX_FILE_BYTES) text += `${line}\n`
  }
  writeFileSync(corpusPath(name, folder), text)
}
