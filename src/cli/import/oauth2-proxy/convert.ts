import { suggest } from '../../../config/suggest.ts'
import type { Section } from '../draft.ts'
import type { Desk } from './desk.ts'
import { portalSections } from './people.ts'
import { providerSection } from './provider.ts'
import { findPlaces, routeSections } from './routes.ts'
import { READ, SAID } from './said.ts'
import { serverSection, sessionsSection, tlsSections } from './server.ts'

/** Every section of the new file, for an oauth2-proxy.cfg; every option of the old one has a note afterwards. */
export function convertOauth2Proxy(desk: Desk): readonly Section[] {
  const places = findPlaces(desk)
  const sections = [
    serverSection(desk, places.isAsked && places.services.some(({ kind }) => kind === 'none')),
    ...tlsSections(desk),
    sessionsSection(desk),
    providerSection(desk),
    ...portalSections(desk, places.portalUrl),
    ...routeSections(desk, places),
  ]
  sayTheRest(desk)
  return sections
}

function sayTheRest({ options, notes }: Desk): void {
  for (const name of options.names) {
    if (notes.list.some(note => note.option === name)) continue
    const line = options.line(name)
    if (options.text(name) === null) {
      notes.add('left', name, line, 'it says nothing')
      continue
    }
    const said = Object.hasOwn(SAID, name) ? SAID[name] : undefined
    if (said !== undefined) notes.add(said[0], name, line, said[1])
    else {
      const meant = suggest(name, [...READ, ...Object.keys(SAID)])
      const hint = meant === null || meant === name ? '' : `; is ${meant} meant?`
      notes.add('left', name, line, `not an option that is known here${hint}`)
    }
  }
}
