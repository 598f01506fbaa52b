/** A page as who reads it finds it: elements by selector, by label or by what they say, with their texts and attributes. */

/** One element. */
export interface HtmlElement {
  /** What it says, without what nobody reads; white space is one space, as on a screen. */
  readonly text: string
  /** The same with the white space that it has, for what keeps its lines. */
  readonly lines: string
  attribute(name: string): string | null
}

export interface HtmlPage {
  /** All that it says. */
  readonly text: string
  all(selector: string): readonly HtmlElement[]
  texts(selector: string): readonly string[]
  /** The only one; throws where there is none, or several. */
  one(selector: string): HtmlElement
  has(selector: string): boolean
  /** Where the first link of this text leads; null where there is none. */
  link(text: string): string | null
  hasButton(text: string): boolean
  /** The field that this label names, or is around; throws where there is none. */
  field(label: string): HtmlElement
  /** Where the first link whose address has this leads; throws where there is none. */
  address(part: string): string
  /** The first form, or the first of which a field or button has this value; throws where there is none. */
  form(value?: string): HtmlForm
}

export interface HtmlForm {
  readonly action: string | null
  readonly hidden: Readonly<Record<string, string>>
}

interface Node extends HtmlElement {
  readonly tag: string
  readonly parent: Node | null
  readonly attributes: ReadonlyMap<string, string>
  readonly pieces: (string | Node)[]
}

/** What nobody reads, in a browser that runs scripts; `lines` has its source. */
const SILENT = new Set(['head', 'noscript', 'script', 'style', 'template'])

/** Between these and what is beside them is a space, whatever the source says. */
const INLINE = new Set(['a', 'abbr', 'b', 'bdi', 'code', 'em', 'i', 'mark', 'small', 'span', 'strong', 'time'])

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: '\u00a0' }

export function htmlPage(html: string): HtmlPage {
  const all = (selector: string) => read(html, selector).found
  const first = (nodes: readonly Node[], what: string, isIt: (node: Node) => boolean = () => true) => {
    const node = nodes.find(isIt)
    if (node === undefined) throw new Error(`no ${what} in: ${textOf(html)}`)
    return node
  }
  return {
    text: textOf(html),
    all,
    texts: selector => all(selector).map(({ text }) => text),
    one(selector) {
      const nodes = all(selector)
      if (nodes.length > 1) throw new Error(`${nodes.length} times ${selector} in: ${textOf(html)}`)
      return first(nodes, selector)
    },
    has: selector => all(selector).length > 0,
    link: text =>
      all('a')
        .find(one => one.text === text)
        ?.attribute('href') ?? null,
    hasButton: text => all('button').some(one => one.text === text),
    field(label) {
      const { found } = read(html, 'label, input, select, textarea')
      const named = first(found, `label ${label}`, one => one.tag === 'label' && one.text === label)
      const id = named.attribute('for')
      const isIts = (one: Node) => (id === null ? isWithin(one, named) : one.attribute('id') === id)
      return first(found, `field of ${label}`, one => one !== named && isIts(one))
    },
    address: part =>
      first(all('a'), `link to ${part}`, one => one.attribute('href')?.includes(part) === true).attribute('href') ?? '',
    form(value) {
      const { found } = read(html, 'form, input, button, select, textarea')
      const isFormWith = (one: Node) => found.some(field => isWithin(field, one) && field.attribute('value') === value)
      const isIt = (one: Node) => one.tag === 'form' && (value === undefined || isFormWith(one))
      const form = first(found, `form with ${value}`, isIt)
      const fields = found.filter(one => isWithin(one, form) && one.attribute('type') === 'hidden')
      return {
        action: form.attribute('action'),
        hidden: Object.fromEntries(fields.map(one => [one.attribute('name') ?? '', one.attribute('value') ?? ''])),
      }
    },
  }
}

const textOf = (html: string) => read(html, 'nothing').root.text

/** The page as a tree, and what in it a selector means, which the parser itself knows. */
function read(html: string, selector: string): { readonly root: Node; readonly found: readonly Node[] } {
  const root = makeNode('', null, new Map())
  const found: Node[] = []
  let [at, latest] = [root, root]
  new HTMLRewriter()
    .on('*', {
      element(element) {
        const attributes = new Map([...element.attributes].map(([name, value]) => [name ?? '', decoded(value ?? '')]))
        const node = makeNode(element.tagName, at, attributes)
        at.pieces.push(node)
        latest = node
        if (!element.canHaveContent) return
        const around = at
        at = node
        element.onEndTag(() => {
          at = around
        })
      },
    })
    .onDocument({
      text({ text }) {
        const last = at.pieces.at(-1)
        if (typeof last === 'string') at.pieces[at.pieces.length - 1] = last + text
        else at.pieces.push(text)
      },
    })
    .on(selector, {
      element() {
        found.push(latest)
      },
    })
    .transform(html)
  return { root, found }
}

function makeNode(tag: string, parent: Node | null, attributes: Node['attributes']): Node {
  const pieces: Node['pieces'] = []
  return {
    tag,
    parent,
    attributes,
    pieces,
    get lines() {
      return SILENT.has(tag) ? pieces.filter(piece => typeof piece === 'string').join('') : said(this)
    },
    get text() {
      return this.lines.replace(/[\t\n\f\r ]+/g, ' ').trim()
    },
    attribute: name => attributes.get(name) ?? null,
  }
}

function said({ pieces }: Node): string {
  const texts = pieces.map(piece => {
    if (typeof piece === 'string') return decoded(piece)
    if (SILENT.has(piece.tag)) return ''
    return INLINE.has(piece.tag) ? said(piece) : ` ${said(piece)} `
  })
  return texts.join('')
}

function isWithin(node: Node, outer: Node): boolean {
  for (let at = node.parent; at !== null; at = at.parent) if (at === outer) return true
  return false
}

function decoded(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (written, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? written
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
  })
}
