/** @jsxImportSource hono/jsx */
import type { DeskView, DiffLine, ShownFile } from '../desk.ts'
import { type MenuEntry, WidePage } from '../pages/wide-page.tsx'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { Findings } from './findings.tsx'

export interface FilePageView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly view: DeskView
}

/** The files, in force and on disk, and what differs. */
export function FilePage({ words, title, menu, view }: FilePageView) {
  const { files, findings, isRefused } = view
  const main = files[0]?.name ?? ''
  const isSame = files.every(({ difference }) => difference.length === 0)
  return (
    <WidePage words={words} title={title} heading={words.configuration} menu={menu}>
      <p class="soft">{words.fileHidden}</p>
      <div class={isRefused ? 'alert' : undefined}>
        {isRefused ? <p>{words.fileRefused}</p> : isSame ? <p class="soft">{words.onDisk['in force']}</p> : null}
        {findings.length === 0 ? null : <Findings findings={findings} main={main} />}
      </div>
      {view.isEditable ? (
        <p class="more">
          <a class="act" href={ownPath('edit')}>
            {words.editFile}
          </a>
        </p>
      ) : null}
      {files.map(file => (
        <OneFile words={words} file={file} />
      ))}
    </WidePage>
  )
}

function OneFile({ words, file }: { readonly words: Words; readonly file: ShownFile }) {
  const { name, inForce, onDisk, difference } = file
  return (
    <section class="group">
      <h2>
        <code>{name}</code>
      </h2>
      {difference.length === 0 ? null : (
        <>
          <h3>{words.fileDifference}</h3>
          <Difference lines={difference} />
        </>
      )}
      {inForce === null ? (
        <p class="soft">{words.fileNotInForce}</p>
      ) : (
        <Text heading={words.fileInForce} text={inForce} isOpen={difference.length === 0} />
      )}
      {onDisk === null ? (
        <p class="soft">{words.fileNotThere}</p>
      ) : onDisk === inForce ? null : (
        <Text heading={words.fileOnDisk} text={onDisk} />
      )}
    </section>
  )
}

/** Of what is the same in both places, there is nothing else to look at. */
function Text(props: { readonly heading: string; readonly text: string; readonly isOpen?: boolean }) {
  const { heading, text, isOpen = false } = props
  return (
    <details open={isOpen}>
      <summary>{heading}</summary>
      <pre class="lines" tabindex={0}>
        {text}
      </pre>
    </details>
  )
}

const SIGNS: Readonly<Record<DiffLine['kind'], string>> = { same: ' ', added: '+', removed: '-', gap: '…' }

/** Lines with a sign before each, as `diff` writes them: colours say nothing that the signs do not. */
export function Difference({ lines }: { readonly lines: readonly DiffLine[] }) {
  return (
    <pre class="lines" tabindex={0}>
      {lines.map(({ kind, text }) => (
        <span class={kind}>{`${SIGNS[kind]} ${text}\n`}</span>
      ))}
    </pre>
  )
}
