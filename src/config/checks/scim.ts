import type { ProviderTable } from '../keys/providers.ts'
import type { Report } from '../text/report.ts'

/** Of characters: at random, nobody guesses as many. */
const SHORTEST_TOKEN = 20

/** What a provider that pushes its people proves itself by has to be beyond guessing. */
export function checkScim({ at, values }: Pick<ProviderTable, 'at' | 'values'>, report: Report): void {
  const token = values.scim?.values.token
  if (token === undefined || token.length >= SHORTEST_TOKEN) return
  const hint = `make one of ${SHORTEST_TOKEN} characters or more, for example with: openssl rand -hex 32`
  const message = 'the token of scim is short enough to be guessed, and whoever has it can sign anybody out'
  report.mistake([...at, 'scim', 'token'], 'scim.token', message, { hint })
}
