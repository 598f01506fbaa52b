/**
 * Turns the text of the file into an editor: numbered lines, colours, completion of keys, and what `check` says at its line, while one
 * types. The form sends what is in the textarea, which follows; without this script it is used as it is.
 */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, StreamLanguage, syntaxHighlighting } from '@codemirror/language'
import { toml } from '@codemirror/legacy-modes/mode/toml'
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint'
import { EditorState } from '@codemirror/state'
import {
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view'
import { classHighlighter } from '@lezer/highlight'

/**
 * @typedef {{ severity: 'error' | 'warning', file: string, line: number, column: number, message: string, hint: string }} Finding
 * @typedef {{ tables: Record<string, Record<string, [about: string, values: string[]]>>, lists: string[] }} Keys
 */

const nonce = document.currentScript?.nonce ?? ''
/** What the server puts before this script. */
const keys = /** @type {{ KEYS?: Keys }} */ (/** @type {unknown} */ (globalThis)).KEYS ?? { tables: {}, lists: [] }

const form = /** @type {HTMLFormElement} */ (document.querySelector('form.edit'))
const box = /** @type {HTMLTextAreaElement} */ (form.querySelector('textarea'))
const list = /** @type {HTMLElement} */ (document.querySelector('#findings'))
const state = /** @type {HTMLElement} */ (document.querySelector('#edit-state'))
const review = /** @type {HTMLButtonElement} */ (form.querySelector('button[value="review"]'))
const words = /** @type {Record<string, string>} */ (JSON.parse(form.dataset.words ?? '{}'))
const main = form.dataset.file ?? ''
const onDisk = form.dataset.saved === 'yes' ? box.value : null

/** The names of tables apart from other words that the mode knows. */
function tokenOf(/** @type {import('@codemirror/language').StringStream} */ stream, /** @type {unknown} */ mode) {
  const token = toml.token(stream, mode)
  return token === 'atom' && stream.current().startsWith('[') ? 'heading' : token
}

/** The table that a line is in, by the last header above it; '' above the first. */
function tableAt(/** @type {import('@codemirror/state').Text} */ text, /** @type {number} */ line) {
  for (let at = line - 1; at > 0; at--) {
    const header = /^\s*\[\[?\s*([^\]]+?)\s*\]/.exec(text.line(at).text)
    if (header) return pathOf(header[1] ?? '')
  }
  return []
}

function pathOf(/** @type {string} */ dotted) {
  return (dotted.match(/"[^"]*"|'[^']*'|[^.\s]+/g) ?? []).map(part => part.replace(/^["']|["']$/g, ''))
}

/** The keys of a table, whose names may be anybody's where the schema has a star. */
function keysOf(/** @type {string[]} */ path) {
  const ways = path.reduce(
    (/** @type {string[][]} */ all, part) =>
      all.flatMap(one => [
        [...one, part],
        [...one, '*'],
      ]),
    [[]],
  )
  for (const way of ways) {
    const found = keys.tables[way.join('.')]
    if (found) return found
  }
  return null
}

/** @type {import('@codemirror/autocomplete').CompletionSource} */
function complete(context) {
  const { doc } = context.state
  const line = doc.lineAt(context.pos)
  const before = line.text.slice(0, context.pos - line.from)
  if (/^\s*#/.test(before)) return null
  const header = /^\s*(\[\[?)\s*([\w."-]*)$/.exec(before)
  if (header) {
    const [, open = '', typed = ''] = header
    const names = Object.keys(keys.tables).filter(name => name !== '' && keys.lists.includes(name) === (open === '[['))
    return {
      from: context.pos - typed.length,
      options: names.map(name => ({ label: name.replaceAll('*', 'NAME'), type: 'namespace' })),
    }
  }
  // What is in braces on this line belongs to the key before them.
  let rest = before
  let path = tableAt(doc, line.number)
  const open = []
  for (let brace = /([\w."-]+)\s*=\s*\{((?:[^{}]|\{[^{}]*\})*)$/.exec(rest); brace; brace = null) {
    open.push(...pathOf(brace[1] ?? ''))
    rest = brace[2] ?? ''
  }
  path = [...path, ...open]
  const value = /([\w-]+)\s*=\s*("?)([\w-]*)$/.exec(rest)
  if (value) {
    const [, key = '', quote = '', typed = ''] = value
    const values = keysOf(path)?.[key]?.[1] ?? []
    if (values.length === 0) return null
    return {
      from: context.pos - typed.length - quote.length,
      options: values.map(one => ({ label: one, type: 'enum' })),
    }
  }
  const key = (open.length > 0 ? /(?:^|,)\s*([\w.-]*)$/ : /^\s*([\w.-]*)$/).exec(rest)
  if (!key || (key[1] === '' && !context.explicit)) return null
  const typed = key[1] ?? ''
  const dot = typed.lastIndexOf('.')
  const own = keysOf(dot === -1 ? path : [...path, ...pathOf(typed.slice(0, dot))])
  if (!own) return null
  const hasValue = /^\s*=/.test(line.text.slice(context.pos - line.from))
  return {
    from: context.pos - (typed.length - dot - 1),
    options: Object.entries(own).map(([label, [info]]) => ({
      label,
      ...(info === '' ? {} : { info }),
      type: 'property',
      apply: hasValue ? label : `${label} = `,
    })),
  }
}

/** Where something is found: the word at its place, or the rest of the line. */
function rangeOf(/** @type {EditorState} */ { doc }, /** @type {Finding} */ { line, column }) {
  const at = doc.line(Math.min(Math.max(line, 1), doc.lines))
  const from = Math.min(at.from + Math.max(column - 1, 0), at.to)
  const word = /^(?:"[^"]*"|'[^']*'|[\w.-]+)/.exec(at.text.slice(from - at.from))?.[0] ?? ''
  return { from, to: word === '' ? at.to : from + word.length }
}

function show(/** @type {Finding[]} */ findings, /** @type {string[]} */ says) {
  const own = findings.filter(({ file }) => file === main)
  const diagnostics = own.map(finding => ({
    ...rangeOf(view.state, finding),
    severity: finding.severity,
    message: finding.message + (finding.hint === '' ? '' : ` (${finding.hint})`),
  }))
  view.dispatch(setDiagnostics(view.state, diagnostics))
  list.replaceChildren(...says.map(told), ...findings.map(line))
  const count = (/** @type {string} */ severity) => findings.filter(one => one.severity === severity).length
  tell(count('error'), count('warning'))
}

/** A sentence, with its advice below. */
function sentence(/** @type {string} */ text, /** @type {string} */ hint, /** @type {string} */ lang) {
  const said = document.createElement('div')
  said.lang = lang
  const [first, advice] = [document.createElement('p'), document.createElement('p')]
  first.textContent = text
  advice.textContent = hint
  advice.className = 'soft small'
  said.append(...(hint === '' ? [first] : [first, advice]))
  return said
}

/** One finding in the list, with a way to its line; in another file, with its place. */
function line(/** @type {Finding} */ finding) {
  const item = document.createElement('li')
  item.className = finding.severity
  const isHere = finding.file === main
  const place = document.createElement(isHere ? 'button' : 'span')
  place.className = 'place'
  place.textContent = (isHere ? '' : `${finding.file}, `) + (words.line ?? '').replace('{line}', `${finding.line}`)
  if (isHere) {
    place.setAttribute('type', 'button')
    place.addEventListener('click', () => {
      view.dispatch({ selection: { anchor: rangeOf(view.state, finding).from }, scrollIntoView: true })
      view.focus()
    })
  }
  item.append(place, sentence(finding.message, finding.hint, 'en'))
  return item
}

/** What is no finding, as that nothing was saved. */
function told(/** @type {string} */ text) {
  const item = document.createElement('li')
  item.append(sentence(text, '', document.documentElement.lang))
  return item
}

let errors = 0
let warnings = 0
function tell(errorCount = errors, warningCount = warnings) {
  errors = errorCount
  warnings = warningCount
  const isSaved = box.value === onDisk
  review.disabled = isSaved
  state.className = errors > 0 ? 'error' : warnings > 0 ? 'warning' : isSaved ? 'saved' : ''
  const problems = [
    ...(errors > 0 ? [(errors === 1 ? words.error : words.errors)?.replace('{count}', `${errors}`)] : []),
    ...(warnings > 0 ? [(warnings === 1 ? words.warning : words.warnings)?.replace('{count}', `${warnings}`)] : []),
  ]
  state.textContent = [isSaved ? words.saved : words.unsaved, ...problems].join(' · ')
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer
/** @type {AbortController | undefined} */
let asking
/** Has what is typed checked; what is typed meanwhile takes its place. */
async function check() {
  asking?.abort()
  asking = new AbortController()
  // A form's fields are texts: it has no files.
  const body = new URLSearchParams(/** @type {any} */ (new FormData(form)))
  body.set('act', 'check')
  try {
    const answer = await fetch(form.getAttribute('action') ?? '', {
      method: 'POST',
      body,
      headers: { accept: 'application/json' },
      signal: asking.signal,
    })
    /** @type {{ kind?: string, says?: string[], findings?: Finding[] }} */
    const { kind, says, findings } = await answer.json()
    if (!says) return
    if (!findings) show([], says)
    else show(findings, kind === 'fine' && findings.length === 0 ? says : [])
  } catch {}
}

/**
 * Types over what is selected. Chromium would keep its look by an inline style, which the page's policy forbids.
 *
 * @type {(event: InputEvent, view: EditorView) => boolean}
 */
function replace(event, target) {
  const { main: selected } = target.state.selection
  const { data: text, inputType } = event
  if (inputType !== 'insertText' || text === null || selected.empty || target.composing) return false
  event.preventDefault()
  const insert = () =>
    target.state.update({ ...target.state.replaceSelection(text), userEvent: 'input.type', scrollIntoView: true })
  const handlers = target.state.facet(EditorView.inputHandler)
  if (!handlers.some(handle => handle(target, selected.from, selected.to, text, insert))) target.dispatch(insert())
  return true
}

const view = new EditorView({
  doc: box.value,
  extensions: [
    EditorView.cspNonce.of(nonce),
    lineNumbers(),
    lintGutter(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    // Marks that nobody sees, those that turn text around among them.
    highlightSpecialChars({ addSpecialChars: /[\u202a-\u202c\u2068]/ }),
    history(),
    bracketMatching(),
    closeBrackets(),
    autocompletion({ override: [complete], icons: false }),
    StreamLanguage.define({ ...toml, token: tokenOf }),
    syntaxHighlighting(classHighlighter),
    EditorState.tabSize.of(2),
    EditorView.lineWrapping,
    // Tab indents; Escape and then Tab leaves.
    keymap.of([
      ...closeBracketsKeymap,
      ...completionKeymap,
      ...lintKeymap,
      ...historyKeymap,
      ...defaultKeymap,
      indentWithTab,
    ]),
    EditorView.domEventHandlers({ beforeinput: replace }),
    EditorView.contentAttributes.of({
      'aria-label': box.getAttribute('aria-label') ?? '',
      'aria-describedby': 'edit-keys',
      tabindex: '0',
      spellcheck: 'false',
      autocapitalize: 'off',
      autocorrect: 'off',
    }),
    EditorView.updateListener.of(({ docChanged, state: { doc } }) => {
      if (!docChanged) return
      box.value = doc.toString()
      tell()
      clearTimeout(timer)
      timer = setTimeout(check, 500)
    }),
  ],
})
box.hidden = true
box.after(view.dom)
document.querySelector('#edit-keys')?.removeAttribute('hidden')
state.hidden = false
show(JSON.parse(form.dataset.findings ?? '[]'), [])
// What is said already is about what was sent.
if (onDisk !== null) void check()
