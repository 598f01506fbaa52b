/** @jsxImportSource hono/jsx */
import type { DiffLine, Draft, Finding } from '../desk.ts'
import { type MenuEntry, WidePage } from '../pages/wide-page.tsx'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { Difference } from './file-page.tsx'
import { Findings } from './findings.tsx'

export interface EditView extends Omit<Draft, 'version'> {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  /** All that may be edited. */
  readonly names: readonly string[]
  /** What came of what was sent last; null where nothing was. */
  readonly notice: string | null
  readonly findings: readonly Finding[]
  /** From what is on disk by now to what is in the form. */
  readonly difference: readonly DiffLine[]
  readonly proof: string
  /** Says which version the draft is of; nobody can read it. */
  readonly base: string
}

/** One file in a form. */
export function EditPage(view: EditView) {
  const { words, title, menu, name, text, names, notice, findings, difference, proof, base } = view
  return (
    <WidePage words={words} title={title} heading={words.editFile} menu={menu}>
      <p>
        <code>{name}</code>
      </p>
      <p class="soft">{words.editHidden}</p>
      {notice === null ? null : (
        <div class="alert" role="status">
          <p>{notice}</p>
        </div>
      )}
      {difference.length === 0 ? null : <Difference lines={difference} />}
      <Findings findings={findings} main={name} />
      <form class="edit" method="post" action={ownPath('edit')}>
        <input type="hidden" name="proof" value={proof} />
        <input type="hidden" name="base" value={base} />
        <input type="hidden" name="file" value={name} />
        <Text label={words.editText} text={text} />
        <div class="buttons">
          <button class="act main" type="submit" name="act" value="review">
            {words.editReview}
          </button>
          <button class="act" type="submit" name="act" value="check">
            {words.editCheck}
          </button>
          <a class="act" href={ownPath('file')}>
            {words.editLeave}
          </a>
        </div>
      </form>
      {names.length < 2 ? null : (
        <section class="group">
          <h2>{words.editOthers}</h2>
          <ul>
            {names
              .filter(other => other !== name)
              .map(other => (
                <li>
                  <a href={`${ownPath('edit')}?${new URLSearchParams({ file: other })}`}>
                    <code>{other}</code>
                  </a>
                </li>
              ))}
          </ul>
        </section>
      )}
    </WidePage>
  )
}

/** The line feed at its beginning is none of the text (HTML Standard, textarea: the first one is left out). */
function Text({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    <textarea class="lines" name="text" rows={30} spellcheck={false} autocomplete="off" wrap="off" aria-label={label}>
      {`\n${text}`}
    </textarea>
  )
}
