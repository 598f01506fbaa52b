/** @jsxImportSource hono/jsx */
import type { Overview } from '../overview.ts'
import { ownPath } from '../place.ts'
import type { Words } from '../words/words.ts'
import { Time } from './time.tsx'

interface ConfigurationView {
  readonly words: Words
  readonly config: Overview['config']
  readonly nowMs: number
}

/** Which file is in force since when, and how the one on disk differs from it: what is wrong there, where it is refused. */
export function Configuration({ words, config, nowMs }: ConfigurationView) {
  const { path, inForceSinceMs, onDisk, mistakeCount, mistakes, needsRestart } = config
  return (
    <div class={mistakeCount > 0 || onDisk === 'lost' ? 'alert' : undefined}>
      {mistakeCount === 0 ? null : <p>{words.saveRefused(mistakeCount)}</p>}
      {mistakes.length === 0 ? null : (
        <ul lang="en">
          {mistakes.map(mistake => (
            <li>{mistake}</li>
          ))}
        </ul>
      )}
      <p class="soft small">
        {path === null ? null : (
          <>
            <code>{path}</code>
            {' · '}
          </>
        )}
        {`${words.inForceSince} `}
        <Time words={words} atMs={inForceSinceMs} nowMs={nowMs} />
      </p>
      {path === null ? null : (
        <p class="small">
          <a href={ownPath('file')}>{words.fileShow}</a>
        </p>
      )}
      {onDisk === 'refused' ? null : <p class="soft small">{words.onDisk[onDisk]}</p>}
      {needsRestart.length === 0 ? null : (
        <p class="small">
          {`${words.needsRestart} `}
          <code>{needsRestart.join(', ')}</code>
        </p>
      )}
    </div>
  )
}
