/**
 * Loads a page again after `data-again` seconds, with a visible count and a button that stops it; a hidden page waits.
 * Loads `data-to` where that is given.
 */
;(() => {
  const box = /** @type {HTMLElement} */ (document.querySelector('[data-again]'))
  const left = /** @type {HTMLElement} */ (box.querySelector('strong'))
  const { again, to } = box.dataset
  let seconds = Number(again)
  const tick = () => {
    if (document.hidden) return
    seconds -= 1
    left.textContent = `${seconds}`
    if (seconds > 0) return
    clearInterval(timer)
    if (to) location.replace(to)
    else location.reload()
  }
  const timer = setInterval(tick, 1000)
  box.querySelector('button')?.addEventListener('click', () => {
    clearInterval(timer)
    box.hidden = true
  })
  box.hidden = false
})()
