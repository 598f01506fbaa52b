import type { Child } from './process.ts'
import type { FrontName, Subject } from './subject.ts'

/** A subject that did not get through a part. */
export interface Failure {
  readonly name: string
  readonly why: string
}

/** The subjects of one part, each for as long as it serves. */
export interface Field {
  /** Those that are still in and offer this. */
  offering(front: FrontName): readonly Subject[]
  /**
   * Does something with one that is started for it. What fails is tried once more on a new start, with a new sign-in; a subject
   * that fails again is out, and answered with null, now and whenever it is asked for later.
   */
  with<T>(subject: Subject, act: (child: Child) => Promise<T>): Promise<T | null>
  readonly failures: readonly Failure[]
}

export function openField(subjects: readonly Subject[]): Field {
  const out = new Map<Subject, Failure>()

  async function attempt<T>(subject: Subject, act: (child: Child) => Promise<T>): Promise<T> {
    const child = await subject.start()
    return Promise.race([act(child), child.died])
  }

  return {
    offering: front => subjects.filter(one => !out.has(one) && one.offers(front)),
    async with(subject, act) {
      if (out.has(subject)) return null
      try {
        return await attempt(subject, act)
      } catch (error) {
        console.error(`bench: ${subject.name} is started anew: ${reasonOf(error)}`)
      }
      try {
        await subject.stop().catch(() => undefined)
        return await attempt(subject, act)
      } catch (error) {
        const why = reasonOf(error)
        out.set(subject, { name: subject.name, why })
        console.error(`bench: ${subject.name} is left out: ${why}`)
        await subject.stop().catch(() => undefined)
        return null
      }
    },
    get failures() {
      return [...out.values()]
    },
  }
}

/** An error's own words and those of its causes, in one line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${reasonOf(error.cause)}`
  return `${error.message.trim().replace(/\s*\n\s*/g, ' | ')}${cause}`
}
