import { dirname, resolve } from 'node:path'
import { readStartCommand, splitWords, statedByFlags, type Word } from './command-line.ts'
import type { OldText, Read, Reader, Started } from './files.ts'
import type { Gap } from './stated.ts'
import { fillIn, readEnvFile, type Variable } from './variables.ts'

/** A command line, as a script or a note has it: the line with the program in it, or flags alone. */
export function readCommandLine(file: OldText, reader: Reader): Read<Started> {
  return started(splitWords(file.text), [], [], file, reader, false)
}

/** The `ExecStart` of a systemd unit, with `Environment` and `EnvironmentFile`. */
export function readUnit(file: OldText, reader: Reader): Read<Started> {
  const rows = directives(file.text)
  const [command, ...others] = rows.filter(({ name, value }) => name === 'ExecStart' && value !== '')
  if (command === undefined || others.length > 0) {
    return { ok: false, why: `${file.shownAs} has ${others.length > 0 ? 'several' : 'no'} ExecStart of oauth2-proxy` }
  }
  const variables = rows
    .filter(({ name }) => name === 'Environment')
    .flatMap(({ value, line }) => splitWords(value, line))
    .flatMap(({ text, line }) => {
      const [, name, value = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(text) ?? []
      return name === undefined ? [] : [{ name, value, line, file: file.shownAs }]
    })
  const envFiles = rows
    .filter(({ name }) => name === 'EnvironmentFile')
    .map(({ value, line }) => ({ text: value, line }))
  const words = splitWords(command.value.replace(/^[-@:+!|]+/, ''), command.line)
  return started(words, variables, envFiles, file, reader, true)
}

interface Directive {
  readonly name: string
  readonly value: string
  readonly line: number
}

function directives(text: string): readonly Directive[] {
  const rows: Directive[] = []
  const lines = text.split(/\r?\n/)
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1
    let row = lines[index] ?? ''
    if (/^\s*[#;]/.test(row)) continue
    while (row.endsWith('\\')) row = `${row}\n${lines[++index] ?? ''}`
    const [, name, value] = /^\s*([A-Za-z]+)\s*=\s*([\s\S]*)$/.exec(row) ?? []
    if (name !== undefined && value !== undefined) rows.push({ name, value: value.trim(), line })
  }
  return rows
}

function started(
  words: readonly Word[],
  set: readonly Variable[],
  envFiles: readonly Word[],
  file: OldText,
  reader: Reader,
  knowsVariables: boolean,
): Read<Started> {
  const command = readStartCommand(words, file.shownAs)
  const gaps: Gap[] = []
  const variables = [...set]
  let handsAllOn = knowsVariables
  for (const { text, line } of [...envFiles, ...command.envFiles]) {
    const path = text.replace(/^-/, '')
    try {
      variables.push(...readEnvFile(reader.readText(resolve(dirname(file.path), path)), path))
    } catch {
      const say = `${path} cannot be read here, and may keep people out: import it too`
      if (reader.given.has(path.slice(path.lastIndexOf('/') + 1))) handsAllOn = false
      else gaps.push({ option: 'environment file', line, file: file.shownAs, say })
    }
  }
  variables.push(...command.variables)
  const lookUp = (name: string) => variables.findLast(one => one.name === name)?.value ?? reader.lookUp(name)
  const said = statedByFlags(
    command.flags.map(({ text, line }) => ({ text: fillIn(text, lookUp), line })),
    file.shownAs,
  )
  const here = (path: string): OldText | null => {
    for (const where of [path, resolve(dirname(file.path), path.slice(path.lastIndexOf('/') + 1))]) {
      try {
        return { text: reader.readText(where), path: where, shownAs: path }
      } catch {
        // Not there.
      }
    }
    return null
  }
  return {
    ok: true,
    value: {
      flags: said.stated,
      variables,
      gaps: [...gaps, ...said.gaps],
      file: file.shownAs,
      knows: { flags: true, variables: handsAllOn },
      mounted: here,
    },
  }
}
