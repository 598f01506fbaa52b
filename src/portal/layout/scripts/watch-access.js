/**
 * Asks every ten seconds whether the page that was refused is open now, and then loads it: for a quarter of an hour, and while the
 * page can be seen. It is loaded only once it was closed when asked before, so that no page is loaded over and over.
 */
;(() => {
  const { watch = '' } = /** @type {HTMLElement} */ (document.querySelector('[data-watch]')).dataset
  const told = /** @type {HTMLElement | null} */ (document.querySelector('[data-watched]'))
  const until = Date.now() + 900000
  let wasClosed = false
  const ask = async () => {
    if (document.hidden) return
    if (Date.now() > until) return stop()
    try {
      const answer = await fetch(watch, { headers: { accept: 'application/json' } })
      if (answer.status === 401) return stop()
      const { open } = await answer.json()
      if (open === true && wasClosed) location.reload()
      if (open === false) wasClosed = true
    } catch {}
  }
  const stop = () => {
    clearInterval(timer)
    if (told) told.hidden = true
  }
  const timer = setInterval(ask, 10000)
  document.addEventListener('visibilitychange', ask)
  if (told) told.hidden = false
  ask()
})()
