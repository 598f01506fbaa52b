/** Continues once the tab is visible: to `data-now`, or after half an hour, when that may be too old, to `data-later`. */
;(() => {
  const box = /** @type {HTMLElement} */ (document.querySelector('[data-now]'))
  const { now, later } = box.dataset
  const since = Date.now()
  const look = () => {
    if (document.hidden) return
    document.removeEventListener('visibilitychange', look)
    location.replace((Date.now() - since < 1800000 ? now : later) + location.hash)
  }
  document.addEventListener('visibilitychange', look)
  look()
})()
