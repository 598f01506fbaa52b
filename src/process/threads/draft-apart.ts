import type { Found, MakeDraft } from '../../session/sqlite/replacement.ts'
import { askThread } from './ask-thread.ts'
import type { DraftQuestion } from './draft-thread.ts'

/** Copies a database and looks at all of it without keeping this event loop from its work: a second for 200 MB. */
export const draftInThread = ((file, draft) =>
  askThread<DraftQuestion, Found>('draft-thread', { file, draft })) satisfies MakeDraft
