/** Says times in the zone of the browser, and as its user writes them in the language of the page. */
;(() => {
  const { lang } = document.documentElement
  const own = navigator.languages.find(one => one === lang || one.startsWith(`${lang}-`)) ?? lang
  const moment = new Intl.DateTimeFormat(own, { dateStyle: 'medium', timeStyle: 'short' })
  const clock = new Intl.DateTimeFormat(own, { timeStyle: 'short' })
  const day = new Intl.DateTimeFormat(own, { dateStyle: 'medium' })
  for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll('time[data-show]'))) {
    const at = new Date(time.dateTime)
    const { show } = time.dataset
    if (show === 'ago') time.title = moment.format(at)
    else if (show === 'clock' && day.format(at) === day.format()) time.textContent = clock.format(at)
    else time.textContent = (show === 'day' ? day : moment).format(at)
  }
})()
