/** Shows what fits while it is typed or chosen, as the form does once it is sent: the same page is asked, and its part taken over. */
;(() => {
  const form = /** @type {HTMLFormElement | null} */ (document.querySelector('form[data-live]'))
  if (!form) return
  const part = form.dataset.live ?? ''
  for (const button of form.querySelectorAll('button')) button.hidden = true
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  /** @type {AbortController | undefined} */
  let asking
  const ask = async () => {
    asking?.abort()
    asking = new AbortController()
    // A form's fields are texts: it has no files.
    const query = new URLSearchParams(/** @type {any} */ (new FormData(form)))
    for (const [name, value] of [...query]) if (value === '') query.delete(name)
    const address = `${location.pathname}?${query}`
    try {
      const answer = await fetch(address, { signal: asking.signal, headers: { accept: 'text/html' } })
      const found = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector(part)
      if (!answer.ok || !found) return
      document.querySelector(part)?.replaceWith(document.adoptNode(found))
      history.replaceState(null, '', address)
    } catch {}
  }
  form.addEventListener('input', event => {
    clearTimeout(timer)
    timer = setTimeout(ask, event.target instanceof HTMLSelectElement ? 0 : 250)
  })
})()
