/** Tells the days of a list anew, and the times of its entries, in the zone of the browser. */
;(() => {
  const { lang } = document.documentElement
  const own = navigator.languages.find(one => one === lang || one.startsWith(`${lang}-`)) ?? lang
  const clock = new Intl.DateTimeFormat(own, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const moment = new Intl.DateTimeFormat(own, { dateStyle: 'medium', timeStyle: 'short' })
  const full = new Intl.DateTimeFormat(own, { dateStyle: 'full' })
  const days = /** @type {HTMLElement} */ (document.querySelector('[data-today]'))
  const model = days.querySelector('section')
  if (!model) return
  const yesterday = new Date()
  yesterday.setDate(yesterday.getDate() - 1)
  const names = new Map([
    [full.format(yesterday), days.dataset.yesterday],
    [full.format(), days.dataset.today],
  ])
  /** @type {Map<string, Element[]>} */
  const found = new Map()
  for (const entry of days.querySelectorAll('li')) {
    const time = /** @type {HTMLTimeElement} */ (entry.querySelector('time'))
    const at = new Date(time.dateTime)
    time.textContent = clock.format(at)
    time.title = moment.format(at)
    const day = names.get(full.format(at)) ?? full.format(at)
    found.set(day, [...(found.get(day) ?? []), entry])
  }
  days.replaceChildren(
    ...[...found].map(([day, entries]) => {
      const section = /** @type {HTMLElement} */ (model.cloneNode(true))
      section.setAttribute('aria-label', day)
      section.querySelector('h2')?.replaceChildren(day)
      section.querySelector('ol')?.replaceChildren(...entries)
      return section
    }),
  )
})()
