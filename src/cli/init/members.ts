/** Who may sign in where anybody can have an account: Google, GitHub and Discord. */

import { isEverybodys, PRESETS } from '../../config/keys/oauth2.ts'
import { bad, good, type Parsed } from '../../config/text/diagnostic.ts'
import type { Json } from '../../config/text/raw.ts'
import { parseEmail, parseEmailDomain } from '../../config/values/email.ts'
import type { Question } from './ask.ts'

/** A provider without discovery, as its table says it. */
export type Preset = keyof typeof PRESETS

const BY_NAME: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  github: PRESETS.github.issuer,
  discord: PRESETS.discord.issuer,
}

/** The issuer of a provider that everybody knows by its name or its host; null for any other text. */
export function issuerByName(text: string): string | null {
  const name = text
    .trim()
    .toLowerCase()
    .replace(/^https:\/\//, '')
    .replace(/\/$/, '')
  const known = Object.entries(BY_NAME).find(([one, issuer]) => [one, `${one}.com`, issuer.slice(8)].includes(name))
  return known?.[1] ?? null
}

/** Which preset an issuer is of; null for a provider of OpenID Connect. */
export function presetOf(issuer: string): Preset | null {
  return issuer === PRESETS.github.issuer ? 'github' : issuer === PRESETS.discord.issuer ? 'discord' : null
}

/** The name of such a provider's table; null where it has no usual name. */
export function nameOfIssuer(issuer: string): string | null {
  return Object.entries(BY_NAME).find(([, known]) => known === issuer)?.[0] ?? null
}

/** Whether it has to be said who may have a session: everybody in the world can have an account there. */
export function needsMembers(issuer: string): boolean {
  return isEverybodys({ issuer })
}

const WHAT: Readonly<Record<Preset, string>> = {
  github: 'organizations (acme) and teams (acme/ops)',
  discord: 'ids of servers',
}

/** Who may have a session; `hasGroups`: the provider states groups. */
export function membersQuestion(preset: Preset | null, hasGroups: boolean): Question {
  return {
    flag: '--members LIST or --everyone',
    prompt: `Everybody in the world can have an account there. Who may have a session here? With commas between them:
e-mail addresses (ada@example.org), domains (@example.org)${preset === null ? '' : `, ${WHAT[preset]}`}`,
    fallback: null,
    parse(text) {
      const read = readMembers(text, hasGroups)
      return read.ok ? good(text) : read
    },
  }
}

/** The value of `members` for an answer to that question. Throws TypeError for what is none. */
export function membersOf(text: string, hasGroups: boolean): Json {
  const read = readMembers(text, hasGroups)
  if (!read.ok) throw new TypeError('an answer that was taken is good')
  return read.value
}

function readMembers(text: string, hasGroups: boolean): Parsed<Json> {
  const lists: Record<'emails' | 'domains' | 'groups', string[]> = { emails: [], domains: [], groups: [] }
  for (const entry of text.split(',').map(one => one.trim())) {
    if (entry === '') return bad('text.empty', 'an entry is empty', 'name who may have a session')
    if (!entry.includes('@')) {
      if (!hasGroups) {
        const hint = `for a domain write @${entry}; this provider states no groups`
        return bad('text.empty', `"${entry}" is no address and no domain`, hint)
      }
      lists.groups.push(entry)
      continue
    }
    const parsed = entry.startsWith('@') ? parseEmailDomain(entry.slice(1)) : parseEmail(entry)
    if (!parsed.ok) return parsed
    lists[entry.startsWith('@') ? 'domains' : 'emails'].push(parsed.value)
  }
  const { emails, domains, groups } = lists
  // An address matches by either of the first two, which are one key.
  const people = { ...(emails.length > 0 ? { emails } : {}), ...(domains.length > 0 ? { domains } : {}) }
  return good([...(Object.keys(people).length > 0 ? [people] : []), ...(groups.length > 0 ? [{ groups }] : [])])
}
