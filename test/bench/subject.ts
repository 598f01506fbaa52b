import type { Child } from './process.ts'

/** What a subject forwards to: the small answers, the reader of uploads, the WebSocket echo, the small answers over TLS; or the small answers again, for clients over TLS. */
export type FrontName = 'app' | 'upload' | 'echo' | 'secure' | 'https'

/** One upstream of a subject, and the port on which a peer offers it. */
export interface Front {
  readonly name: FrontName
  readonly port: number
  readonly upstream: number
}

/** How one kind of request reaches a subject. */
export interface Way {
  /** `http` when absent. */
  readonly scheme?: 'https'
  readonly port: number
  /** Where it is asked; `/` when absent. */
  readonly path?: string
  /** `host`, and `cookie` where the subject has signed somebody in. Names are lower-case. */
  readonly headers: Readonly<Record<string, string>>
}

export type SubjectKey =
  | 'bun'
  | 'least'
  | 'public'
  | 'private'
  /** An earlier executable of the gate, signed in. */
  | 'before'
  | 'nginx'
  | 'haproxy'
  | 'caddy'
  | 'apache'
  | 'caddy-security'
  | 'oauth2-proxy'
  | 'traefik'
  /** One of a part's own, which no target compares by its key. */
  | 'own'

/**
 * Who gets an answer of it: whoever asks (`proxy`), only who has signed in (`gate`); or it forwards nothing, and says of who has
 * signed in that they may pass (`verdict`).
 */
export type SubjectKind = 'proxy' | 'gate' | 'verdict'

/** A proxy to measure. */
export interface Subject {
  readonly key: SubjectKey
  readonly kind: SubjectKind
  readonly name: string
  /** Whether it can be asked for this. */
  offers(front: FrontName): boolean
  /** Starts it, or answers the one that runs; it serves, and has signed in where it does that. */
  start(): Promise<Child>
  /** The next `start` begins anew. */
  stop(): Promise<void>
  /** Known once it has started. */
  way(front: FrontName): Way
}

/** The authority whose certificates the upstream over TLS has: a PEM file. Its certificate is for this name. */
export interface Trust {
  readonly caFile: string
  readonly serverName: string
  /** The certificate and key that every subject shows its clients, and both in one file. */
  readonly certFile: string
  readonly keyFile: string
  readonly bothFile: string
}

/** A subject that is started at most once at a time. `launch` answers when it serves. */
export function subject(
  key: SubjectKey,
  name: string,
  launch: () => Promise<Child>,
  way: (front: FrontName) => Way,
  offers: (front: FrontName) => boolean = () => true,
  kind: SubjectKind = 'proxy',
): Subject {
  let running: Promise<Child> | null = null
  return {
    key,
    kind,
    name,
    way,
    offers,
    start() {
      running ??= launch()
      return running
    },
    async stop() {
      const child = running
      running = null
      await (await child)?.stop()
    },
  }
}

/** The front with this name. Throws TypeError for one that is not there. */
export function frontOf(fronts: readonly Front[], name: FrontName): Front {
  const found = fronts.find(front => front.name === name)
  if (found === undefined) throw new TypeError(`there is no front ${name}`)
  return found
}
