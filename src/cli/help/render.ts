import { columns } from '../../console/columns.ts'

/** What pages of a manual are wide: a terminal has at least that, and longer lines are hard to read. */
const WIDTH = 80

/** Between cells and rows of a table while it is read; no chapter has them. */
const [CELL_END, ROW_END] = ['\x1f', '\x1e']

/**
 * A chapter in Markdown as text for a terminal: headings bold, prose wrapped, code as it is, links as their words, with the chapter
 * that they lead to. Without colours headings are underlined, and nothing is escaped.
 *
 * A table that is too wide for columns becomes a list: each row's first cell, and below it the others by their headings.
 */
export function renderChapter(markdown: string, hasColours: boolean): string {
  const bold = (text: string) => (hasColours ? `\x1b[1m${text}\x1b[22m` : text)
  const text = Bun.markdown.render(markdown, {
    heading: (children, { level }) => `${heading(children, level, hasColours)}\n\n`,
    paragraph: children => `${wrap(children)}\n\n`,
    list: children => `${children}\n`,
    listItem: (children, { ordered, start, index }) =>
      `${item(children, ordered ? `${(start ?? 1) + index}. ` : '- ')}\n`,
    code: children => `${indent(children.trimEnd(), '    ')}\n\n`,
    codespan: children => `\`${children}\``,
    strong: bold,
    emphasis: children => children,
    link: (children, { href }) => children + destination(children, href),
    html: () => '',
    tr: children => `${children}${ROW_END}`,
    th: children => `${children}${CELL_END}`,
    td: children => `${children}${CELL_END}`,
    table: children => `${table(readRows(children), bold)}\n`,
  })
  return `${text.replace(/\n{3,}/g, '\n\n').trim()}\n`
}

function heading(text: string, level: number, hasColours: boolean): string {
  if (hasColours) return `\x1b[1m${text}\x1b[22m`
  return `${text}\n${(level === 1 ? '=' : '-').repeat(Bun.stringWidth(text))}`
}

/** Where a link leads, behind its words: another chapter or file of docs, or another site. Nothing for a place in the same chapter. */
function destination(words: string, href: string): string {
  if (/^[a-z]+:/.test(href)) return words === href ? '' : ` (${href})`
  const chapter = /^([\w-]+)\.md(?:#|$)/.exec(href)?.[1]?.toLowerCase()
  const recipe = /^recipes\/services\/([\w-]+)\.toml$/.exec(href)?.[1]
  if (recipe !== undefined) return ` (sallyport recipe ${recipe})`
  const shown = chapter ?? /^(?:recipes\/.+|compose\.yaml)$/.exec(href)?.[0]
  return shown === undefined ? '' : ` (sallyport help ${shown})`
}

function wrap(text: string, width = WIDTH): string {
  return Bun.wrapAnsi(text.replace(/\s*\n\s*/g, ' '), width)
}

/** One item of a list, behind its mark; what is below its first paragraph stands below it. */
function item(children: string, mark: string): string {
  const isPlain = !children.includes('\n\n') && !/\n\s*(?:- |\d+\. )/.test(children)
  const body = isPlain ? wrap(children, WIDTH - mark.length) : children.trimEnd()
  return mark + indent(body, ' '.repeat(mark.length)).trimStart()
}

function indent(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by)
}

function readRows(children: string): readonly (readonly string[])[] {
  const rows = children.split(ROW_END).slice(0, -1)
  return rows.map(row => row.split(CELL_END).slice(0, -1))
}

function table(rows: readonly (readonly string[])[], bold: (text: string) => string): string {
  const [head = [], ...body] = rows
  const asColumns = columns([head, ...body])
  if (Math.max(...asColumns.split('\n').map(line => Bun.stringWidth(line))) <= WIDTH) return asColumns
  const entries = body.map(([first = '', ...cells]) => {
    const told = cells.map((cell, index) => ({ name: head[index + 1] ?? '', cell })).filter(({ cell }) => cell !== '')
    const lines = told.map(({ name, cell }) =>
      indent(wrap(told.length > 1 ? `${name}: ${cell}` : cell, WIDTH - 4), '    '),
    )
    return `${[bold(wrap(first)), ...lines].join('\n')}\n`
  })
  return entries.join('\n')
}
