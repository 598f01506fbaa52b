/** A change of one line that may weaken the program. */
export interface Change {
  /** From the project's folder. */
  readonly file: string
  /** From 1 on. */
  readonly line: number
  readonly before: string
  readonly after: string
}

/** How lines are changed: the first group of what is found is what is replaced, the whole of it where there is none. */
const WAYS: readonly (readonly [found: RegExp, replacement: (text: string) => string])[] = [
  // A comparison turned.
  [/ === /g, () => ' !== '],
  [/ !== /g, () => ' === '],
  [/ < /g, () => ' >= '],
  [/ <= /g, () => ' > '],
  [/ > /g, () => ' <= '],
  [/ >= /g, () => ' < '],
  // A condition turned, weakened or dropped.
  [/ && /g, () => ' || '],
  [/ \|\| /g, () => ' && '],
  [/ && [^&|()]+(?=\))/g, () => ''],
  [/(?<=[( ])!(?=[a-z(])/g, () => ''],
  [/(?<=\bif \().+(?=\) (?:return|throw|continue)\b)/g, () => 'false'],
  [/\btrue\b(?!:)/g, () => 'false'],
  [/\bfalse\b(?!:)/g, () => 'true'],
  // A call dropped, as long as nobody asks what comes of it.
  [/^ +(?:await |void )?[\w.?]+\(.*\)$/g, () => ''],
  // A number changed.
  [/(?<![\w.'"`\\[-])\d[\d_]*(?![\w.'"`\\\]])/g, text => String(Number(text.replaceAll('_', '')) * 10 + 1)],
  // An entry of a list taken out.
  [/^ +'[^']*',$/g, () => ''],
  [/(?<=\[)'[^']*', /g, () => ''],
  [/, '[^']*'(?=\])/g, () => ''],
]

/** Lines that do nothing: comments, what is imported, and types. */
const IDLE = /^\s*(?:\/\/|\/?\*|import |export \* |export type |type |readonly |\} from )/

/** Every change of these kinds that a file has room for. */
export function changesOf(file: string, text: string): readonly Change[] {
  return text.split('\n').flatMap((before, index) => {
    if (IDLE.test(before)) return []
    return WAYS.flatMap(([found, replacement]) =>
      [...before.matchAll(found)].map(({ 0: part, index: at }) => {
        const after = before.slice(0, at) + replacement(part) + before.slice(at + part.length)
        return { file, line: index + 1, before, after }
      }),
    )
  })
}

/** A file's text with the change made. */
export function changed(text: string, { line, after }: Change): string {
  return text
    .split('\n')
    .map((one, index) => (index === line - 1 ? after : one))
    .join('\n')
}
