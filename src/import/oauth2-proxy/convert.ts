import { suggest } from '../../config/text/suggest.ts'
import { closingEntry, type Draft, type Section } from '../draft.ts'
import type { Context } from './context.ts'
import { nginxFront } from './front.ts'
import { OPTION_TABLE, READ } from './option-table.ts'
import { keepsNobodyOut, portalSections } from './people.ts'
import { findPlaces } from './places.ts'
import { providerSection } from './provider.ts'
import { routeSections } from './routes.ts'
import { serverSection, sessionsSection, tlsSections } from './server.ts'
import { usersSections } from './users.ts'

/** Every section of the new file, for an oauth2-proxy; every option of the old one has a note afterwards. */
export function convertOauth2Proxy(context: Context): Draft {
  const { notes, gaps, knows } = context
  const places = findPlaces(context)
  const sections = [
    serverSection(context, places.isAsked),
    ...tlsSections(context),
    sessionsSection(context),
    providerSection(context),
    ...usersSections(context),
    ...portalSections(context, places.portalUrl),
    ...routeSections(context, places),
  ]
  notes.add('people', 'sign-in', null, 'everyone signs in once more: the sessions of oauth2-proxy end with it')
  const others = [...(knows.flags ? [] : ['flags']), ...(knows.variables ? [] : ['OAUTH2_PROXY_*'])]
  if (others.length > 0) notes.add('decide', others.join(' and '), null, ELSEWHERE)
  for (const { option, line, file, say } of gaps) notes.addFrom(file, 'closed', option, line, say)
  const missing = [...new Set(gaps.map(({ option }) => option))]
  const why = [
    ...missing,
    ...sayTheRest(context),
    ...(keepsNobodyOut(context) ? ['who may sign in is not in the file'] : []),
  ]
  return {
    sections: why.length === 0 ? sections : sections.map(section => closed(section, why)),
    beside: places.isAsked ? nginxFront(context, places) : null,
  }
}

/** oauth2-proxy takes every option from three places, which are not all at hand. */
const ELSEWHERE =
  'what they say is not carried over: import their file beside this one, or write them into it, or OAUTH2_PROXY_ALLOWED_GROUPS and the like are lost'

/** A route that lets nobody in: what is not known may have kept people out. */
function closed(section: Section, why: readonly string[]): Section {
  if (section.title !== '[[routes]]' || section.entries.some(({ key }) => key === 'deny')) return section
  return { ...section, entries: [...section.entries, closingEntry(why, [])] }
}

/** Notes what has no note yet, and answers the options that nothing is known of. */
function sayTheRest({ options, notes }: Context): readonly string[] {
  const unknown: string[] = []
  for (const name of options.names) {
    if (notes.list.some(note => note.option === name)) continue
    const line = options.line(name)
    if (options.text(name) === null) {
      notes.add('kept', name, line, 'it says nothing that would not hold without it')
      continue
    }
    const said = Object.hasOwn(OPTION_TABLE, name) ? OPTION_TABLE[name] : undefined
    if (said !== undefined) notes.add(said[0], name, line, said[1])
    else {
      const meant = suggest(name, [...READ, ...Object.keys(OPTION_TABLE)])
      const hint = meant === null || meant === name ? '' : `; is ${meant} meant?`
      unknown.push(name)
      notes.add('closed', name, line, `not an option that is known here, so that the routes let nobody in${hint}`)
    }
  }
  return unknown
}
