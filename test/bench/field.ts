import type { Child } from './process.ts'
import { type Application, prove, proveAnswer } from './proof.ts'
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
   * Does something with one that is started for it, and whose answers are the application's own. What fails is tried once more on a new start, with a new sign-in; a subject
   * that fails again is out, and answered with null, now and whenever it is asked for later.
   */
  with<T>(subject: Subject, act: (child: Child) => Promise<T>): Promise<T | null>
  /** Throws where what it answers there is the application's answer no more. */
  proveStill(subject: Subject, front: FrontName, path: string): Promise<void>
  readonly failures: readonly Failure[]
}

export function openField(subjects: readonly Subject[], application: Application): Field {
  const out = new Map<Subject, Failure>()
  const proven = new Map<Subject, Child>()

  async function attempt<T>(subject: Subject, act: (child: Child) => Promise<T>): Promise<T> {
    const child = await subject.start()
    const proveAndAct = async (): Promise<T> => {
      if (proven.get(subject) !== child) await prove(subject, application)
      proven.set(subject, child)
      return act(child)
    }
    return Promise.race([proveAndAct(), child.died])
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
    proveStill: (subject, front, path) => proveAnswer(subject, front, path, application),
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
