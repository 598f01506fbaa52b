import type { Subject } from './subject.ts'
import { answers } from './subjects/answers.ts'
import { clientFrames } from './subjects/client-frames.ts'
import { cookies } from './subjects/cookies.ts'
import { deviceProofs } from './subjects/device-proofs.ts'
import { forwarded } from './subjects/forwarded.ts'
import { frames } from './subjects/frames.ts'
import { hosts } from './subjects/hosts.ts'
import { http2 } from './subjects/http2.ts'
import { jwts } from './subjects/jwts.ts'
import { logouts } from './subjects/logouts.ts'
import { logs } from './subjects/logs.ts'
import { messages } from './subjects/messages.ts'
import { onward } from './subjects/onward.ts'
import { passkeys } from './subjects/passkeys.ts'
import { pushes } from './subjects/pushes.ts'
import { requests } from './subjects/requests.ts'
import { sites } from './subjects/sites.ts'
import { targets } from './subjects/targets.ts'
import { tickets } from './subjects/tickets.ts'
import { toml } from './subjects/toml.ts'

/** Everything that takes what strangers send. */
export const SUBJECTS: readonly Subject[] = [
  targets,
  hosts,
  onward,
  cookies,
  tickets,
  forwarded,
  jwts,
  logouts,
  logs,
  messages,
  toml,
  frames,
  clientFrames,
  requests,
  http2,
  answers,
  pushes,
  passkeys,
  deviceProofs,
]

/** What is made up from numbers alone, with programs of this machine: a number that was tried says nothing of others, and none is kept. */
export const MADE_UP: readonly Subject[] = [sites]
