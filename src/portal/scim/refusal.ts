/** What is wrong with a request, in the words of RFC 7644 §3.12 (table 9). */
export type ScimType =
  | 'invalidFilter'
  | 'invalidPath'
  | 'invalidSyntax'
  | 'invalidValue'
  | 'mutability'
  | 'noTarget'
  | 'tooMany'
  | 'uniqueness'

/** A request of a provider that is refused. `message` is told to it, and so holds nothing that it has not sent. */
export class ScimRefusal extends Error {
  readonly status: number
  readonly scimType: ScimType | null

  constructor(status: number, scimType: ScimType | null, detail: string) {
    super(detail)
    this.name = 'ScimRefusal'
    this.status = status
    this.scimType = scimType
  }
}

/** 404, for an address that leads to none. */
export function notFound(): ScimRefusal {
  return new ScimRefusal(404, null, 'there is no such resource')
}
