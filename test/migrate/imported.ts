import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runImport } from '../../src/migrate/import.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'

export interface ImportedJson {
  readonly code: number
  /** The new file. */
  readonly routes: string
  /** `outcome line option: say`, in the order in which they were noted. */
  readonly notes: readonly string[]
  readonly mistakes: readonly { readonly message: string }[]
  readonly unset: readonly { readonly name: string; readonly meaning: string }[]
  readonly missingFiles: readonly string[]
  /** What a proxy in front needs; null for nothing. */
  readonly beside: { readonly changes: string; readonly text: string } | null
  /** All that was written, as JSON and as the report for people. */
  readonly everything: string
}

/** What `sallyport import` makes of a text. `files` lie beside it. */
export async function imported(
  text: string,
  options: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): Promise<ImportedJson> {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'old'), text)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder.path, name), content)
  const json = await runIn(folder.path, io => runImport(['old', '--json', ...options], io))
  const plain = await runIn(folder.path, io => runImport(['old', ...options], io))
  if (json.out === '') throw new Error(json.err)
  const read = JSON.parse(json.out)
  return {
    ...read,
    code: json.code,
    notes: read.notes.map(
      (note: { outcome: string; line: number | null; option: string; say: string }) =>
        `${note.outcome} ${note.line ?? '-'} ${note.option}: ${note.say}`,
    ),
    everything: json.out + json.err + plain.out + plain.err,
  }
}

/** The lines of one table of the new file, without comments. */
export function section(routes: string, title: string, index = 0): readonly string[] {
  const blocks = routes.split('\n\n').map(block => block.split('\n').filter(line => !line.startsWith('#')))
  const found = blocks.filter(lines => lines[0] === title)[index]
  return (found ?? []).slice(1).map(line => line.replace(/\s+# .*$/, ''))
}
