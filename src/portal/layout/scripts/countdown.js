/**
 * Follows the link with `data-again` after so many seconds, with a visible count in it and a button that stops it; a hidden page waits.
 * Without it there is no count, and one follows the link.
 */
;(() => {
  const link = /** @type {HTMLAnchorElement} */ (document.querySelector('[data-again]'))
  const stop = /** @type {HTMLElement} */ (document.querySelector('[data-stop]'))
  let seconds = Number(link.dataset.again)
  const tick = () => {
    if (document.hidden) return
    seconds -= 1
    link.dataset.left = `${seconds}`
    if (seconds > 0) return
    clearInterval(timer)
    if (link.href !== location.href.split('#', 1)[0]) location.replace(link.href)
    else location.reload()
  }
  const timer = setInterval(tick, 1000)
  stop.addEventListener('click', () => {
    clearInterval(timer)
    stop.hidden = true
    delete link.dataset.left
  })
  link.dataset.left = `${seconds}`
  stop.hidden = false
})()
