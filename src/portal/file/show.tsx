/** @jsxImportSource hono/jsx */

/** The page `file`, for admins: the current file, the one on disk, and the findings of `check`. */

import { GateError } from '../../base/errors.ts'
import type { Session } from '../../session/session.ts'
import { menuOf } from '../account/menu.ts'
import { admitAdmin, hasPeople } from '../admins.ts'
import { pageAnswer } from '../answer.ts'
import type { ConfigEditor, DeskView, DiffLine, Finding, ShownFile } from '../editor-interface.ts'
import { wordsFor } from '../language.ts'
import { AdminTabs, Health, type Tabs } from '../layout/admin-tabs.tsx'
import { Sign } from '../layout/pictures.tsx'
import { type MenuEntry, WidePage } from '../layout/wide-page.tsx'
import { ownPath } from '../paths.ts'
import { type PortalRequest, readQuery } from '../portal-request.ts'
import { leadToPortal } from '../sign-in/redirect-to-portal.ts'
import type { Words } from '../words/words.ts'

export interface FileTools {
  readonly configEditor: ConfigEditor
}

/**
 * The current file, the one on disk and the findings of `check`, for admins of the only portal in the file.
 *
 * Only on the host where users sign in: elsewhere, an application's scripts could read it. Loading it changes nothing.
 *
 * Throws `route.none` where the portal has no admins, or is not the only one, and `access.denied`.
 */
export async function showFile(ctx: PortalRequest, { configEditor }: FileTools, session: Session): Promise<Response> {
  const away = leadToPortal(ctx, 'file')
  if (away !== null) return away
  admitAdmin(ctx, session)
  const view = await configEditor.look(ctx.portal.name)
  if (view === null) throw new GateError('route.none', 'the file has other portals, whose admins are others')
  const words = wordsFor(ctx.request, ctx.portal.timezone)
  const menu = menuOf(ctx, session, words, 'admin')
  const tabs: Tabs = { here: 'file', hasFile: true, hasPeople: hasPeople(ctx) }
  const isSaved = readQuery(ctx).get('saved') === '1'
  const page = <FilePage words={words} title={ctx.portal.title} menu={menu} tabs={tabs} isSaved={isSaved} view={view} />
  return pageAnswer({ words, brand: ctx.portal.brand, page, sheet: 'admin' })
}

interface FilePageView {
  readonly words: Words
  readonly title: string
  readonly menu: readonly MenuEntry[]
  readonly tabs: Tabs
  /** Whether the editor has just saved it. */
  readonly isSaved: boolean
  readonly view: DeskView
}

/** The current files, those on disk, and the difference. */
function FilePage({ words, title, menu, tabs, isSaved, view }: FilePageView) {
  const { files, findings, isRefused } = view
  const main = files[0]?.name ?? ''
  const isSame = files.every(({ difference }) => difference.length === 0)
  return (
    <WidePage words={words} title={title} heading={words.configuration} menu={menu}>
      <AdminTabs words={words} tabs={tabs} />
      <div class="file-head">
        <div role="status">
          {isSaved ? <Health state="up" text={words.admin.editSaved} /> : null}
          {isRefused ? (
            <Health state="down" text={words.fileRefused} />
          ) : isSame ? (
            <Health state="up" text={words.onDisk['in force']} />
          ) : null}
        </div>
        {view.isEditable ? (
          <a class="act main" href={ownPath('edit')}>
            {words.editFile}
          </a>
        ) : null}
      </div>
      <Found words={words} findings={findings} main={main} />
      {files.map(file => (
        <OneFile words={words} file={file} />
      ))}
      <p class="soft small">{words.fileHidden}</p>
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
    <pre class="lines difference" tabindex={0}>
      {lines.map(({ kind, text, number }) => (
        <span class={kind} data-line={number === 0 ? undefined : number}>{`${SIGNS[kind]} ${text}\n`}</span>
      ))}
    </pre>
  )
}

interface FindingsView {
  readonly words: Words
  readonly findings: readonly Finding[]
  /** The file that needs no name. */
  readonly main: string
}

/** The findings of a page that has no editor: how many there are, and each. */
export function Found(view: FindingsView) {
  const { words, findings } = view
  const errors = findings.filter(({ severity }) => severity === 'error').length
  if (findings.length === 0) return null
  return (
    <section class={errors === 0 ? 'alert mild' : 'alert'}>
      <Sign of="caution" />
      <div>
        <h2>{words.admin.problems(errors, findings.length - errors)}</h2>
        <Findings {...view} />
      </div>
    </section>
  )
}

/** The findings of `check`, in its words: each with its place and how to fix it, as the script of the editor shows them. */
export function Findings({ words, findings, main }: FindingsView) {
  return (
    <ul class="findings" id="findings" aria-live="polite">
      {findings.map(({ severity, file, line, message, hint }) => (
        <li class={severity}>
          <span class="place">{`${file === main ? '' : `${file}, `}${words.admin.line(`${line}`)}`}</span>
          <div lang="en">
            <p>{message}</p>
            {hint === '' ? null : <p class="soft small">{hint}</p>}
          </div>
        </li>
      ))}
    </ul>
  )
}

/** One of them as a sentence; the file is named where it is not the main one. */
export function sayFinding({ severity, file, line, message, hint }: Finding, main: string): string {
  const place = `${file === main ? '' : `${file}, `}line ${line}`
  return `${severity === 'warning' ? 'warning, ' : ''}${place}: ${message}${hint === '' ? '' : ` (${hint})`}`
}
