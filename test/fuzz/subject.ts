/** One thing that takes what strangers send, and what has to hold whatever that is. */
export interface Subject {
  /** Its file in test/corpus is called so. */
  readonly name: string
  /** What the first inputs are made of: good ones and known bad ones. */
  readonly seeds: readonly (string | Uint8Array)[]
  /** Pieces that mean something to it. */
  readonly words: readonly string[]
  /** How long an input may become. */
  readonly maxBytes: number
  /** How long one may take; default 250, for what waits for nobody. */
  readonly slowMs?: number
  /** How many inputs `npm run fuzz` tries, however long that takes; none: as many as its share of the time has room for. */
  readonly fewest?: number
  open(): Promise<Probe> | Probe
}

/** A subject that is ready. */
export interface Probe {
  /**
   * Tries one input, and answers what it led to, in few words: an input whose words are new is kept. Throws where anything does not
   * hold that should.
   */
  attempt(input: Uint8Array): Promise<string> | string
  close?(): Promise<void>
}

/** Says what does not hold. */
export class Finding extends Error {}

/** Throws a Finding with these facts unless something holds. */
export function hold(claim: boolean, what: string, ...facts: readonly unknown[]): asserts claim {
  if (!claim) throw new Finding([what, ...facts.map(fact => JSON.stringify(fact))].join(' '))
}

/** Bytes as the characters of Latin-1, and back. */
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
export const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? Buffer.from(text, 'latin1') : text

/** What ends a line of HTTP/1.1, parts one, or has no place in it. */
export const LINE_MARKS = ['\r\n', '\n', '\r', '\r\n\r\n', ' ', '\t', ':', '\0'] as const
