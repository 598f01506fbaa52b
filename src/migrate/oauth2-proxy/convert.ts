/** Converts the set-up of an oauth2-proxy, section by section. */

import { suggest } from '../../config/text/suggest.ts'
import { closingEntry, type Draft, type Section, type Tools } from '../draft.ts'
import type { Inputs } from './inputs.ts'
import { keepsNobodyOut, portalSections } from './members.ts'
import { nginxFront } from './nginx.ts'
import { OPTIONS } from './options.ts'
import { providerSection } from './provider.ts'
import { findPlaces, routeSections } from './routes.ts'
import { serverSection, sessionsSection, tlsSections } from './server.ts'
import { createOld, type Old } from './settings.ts'

/** Every section of the new file, for an oauth2-proxy; every option of the old one has a note afterwards. */
export function convertOauth2Proxy(inputs: Inputs, tools: Tools): Draft {
  const old = createOld(inputs, tools)
  const places = findPlaces(old)
  const sections = [
    serverSection(old, places.isAsked),
    ...tlsSections(old),
    sessionsSection(old),
    providerSection(old),
    ...portalSections(old, places.portalUrl),
    ...routeSections(old, places),
  ]
  const { gaps, unread } = inputs
  const soon = 'everyone signs in once more: the sessions of oauth2-proxy end with it'
  tools.notes.add('people', 'sign-in', null, soon)
  // oauth2-proxy reads every option from three sources, and some of them are missing here.
  const way =
    'import their file beside this one, or write them into it, or OAUTH2_PROXY_ALLOWED_GROUPS and the like are lost'
  if (unread.length > 0)
    tools.notes.add('decide', unread.join(' and '), null, `what they say is not carried over: ${way}`)
  for (const { option, line, file, say } of gaps) tools.notes.add('closed', option, line, say, file)
  const whole = gaps.filter(({ path }) => path === undefined)
  const why = [
    ...new Set(whole.map(({ option }) => option)),
    ...sayTheRest(old),
    ...(keepsNobodyOut(old) ? ['who may sign in is not in the file'] : []),
  ]
  return {
    sections: why.length === 0 ? sections : sections.map(section => closed(section, why)),
    beside: places.isAsked ? nginxFront(old, places) : null,
  }
}

/** A route that refuses everyone: an unknown option may have kept users out. */
function closed(section: Section, why: readonly string[]): Section {
  if (section.title !== '[[routes]]') return section
  const entries = section.entries.filter(({ key }) => key !== 'deny')
  return { ...section, entries: [...entries, closingEntry(why, [])] }
}

/** Notes what has no note yet, and answers the options that nothing is known of. */
function sayTheRest({ names, notes, line, text, has, tell }: Old): readonly string[] {
  const unsaid = names.filter(name => !notes.list.some(note => note.option === name))
  for (const name of unsaid) {
    const [first] = OPTIONS.get(name)?.says ?? []
    if (text(name) === null || !has(name)) notes.add('kept', name, line(name), 'it is the default')
    else if (first !== undefined) tell(name, ...first)
    else {
      const meant = suggest(name, [...OPTIONS.keys()])
      const hint = meant === null || meant === name ? '' : `; is ${meant} meant?`
      tell(name, 'closed', `not known here, so the routes stay closed${hint}`)
    }
  }
  return unsaid.filter(name => text(name) !== null && !OPTIONS.has(name))
}
