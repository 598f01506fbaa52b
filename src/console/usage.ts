/** The help text of a command, laid out for a terminal. */

/** As wide as a chapter of the manual: a terminal has at least that. */
const WIDTH = 80

/** An option or argument with its description; lines below it with the same indent continue it. */
const ROW = /^( {2,}\S(?:.*?\S)?) {2,}(?=\S)(.*)$/

/** Words; what is in square brackets, as an option with its value, is one. */
const WORD = /(?:\[(?:[^[\]]|\[[^\]]*\])*\]|[^\s[])+/g

/** One piece of a help text that is wrapped separately: `first` begins it, and `hang` indents its other lines. */
export interface Piece {
  readonly first: string
  readonly hang: number
  words: string
}

/** A command's help as a terminal shows it: paragraphs, and options beside what they are for, within 80 columns. */
export function layOutUsage(text: string): string {
  return readUsage(text).map(wrap).join('\n')
}

/** The pieces of a help text, laid out or not: a row's `first` is its option or argument, a paragraph's is blank. */
export function readUsage(text: string): readonly Piece[] {
  const pieces: Piece[] = []
  for (const line of text.split('\n')) {
    const last = pieces.at(-1)
    const row = ROW.exec(line)
    const depth = line.length - line.trimStart().length
    if (row !== null) {
      const [, name = '', about = ''] = row
      const hang = line.length - about.length
      pieces.push({ first: name.padEnd(hang), hang, words: about })
    } else if (last !== undefined && line !== '' && last.words !== '' && depth === last.hang && goesOn(last, line)) {
      last.words += ` ${line.trim()}`
    } else {
      pieces.push({ first: ' '.repeat(depth), hang: isUsage(line) ? depth + 7 : depth, words: line.trim() })
    }
  }
  return pieces
}

/** How a command is called, which a mistake in doing so is answered with. */
export function usageLines(text: string): string {
  return layOutUsage(text.split('\n\n')[0] ?? '')
}

/** A separate entry begins on a new line, and so does the text before or after a command. */
function goesOn({ words }: Piece, line: string): boolean {
  return !words.startsWith('sallyport ') && !/^\s*(?:Exit code:|With --|sallyport |source )/.test(line)
}

function isUsage(line: string): boolean {
  return /^(?:usage:| {7})\s*sallyport /.test(line)
}

function wrap({ first, hang, words }: Piece): string {
  // Commands stay whole, so that they can be copied.
  if (first.trim() !== '' && words.startsWith('sallyport ')) return first + words
  const lines: string[] = []
  let line = first
  for (const [word] of words.matchAll(WORD)) {
    const isFirst = line.length <= hang && line.trim() === first.trim()
    if (!isFirst && Bun.stringWidth(line) + 1 + Bun.stringWidth(word) > WIDTH) {
      lines.push(line)
      line = ' '.repeat(hang) + word
    } else line += (isFirst || line === '' ? '' : ' ') + word
  }
  return [...lines, line].map(one => one.trimEnd()).join('\n')
}
