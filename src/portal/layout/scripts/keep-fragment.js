/**
 * Keeps the fragment (after `#`) of the address in this window, with the path that it belongs to and the time, and continues. A sign-in
 * that restarts without one leaves the kept one.
 */
;(() => {
  const box = /** @type {HTMLElement} */ (document.querySelector('[data-onward]'))
  const { returnTo, onward = '' } = box.dataset
  try {
    if (location.hash) {
      sessionStorage.setItem('sallyport-fragment', JSON.stringify([returnTo, location.hash, Date.now()]))
    }
  } catch {}
  location.replace(onward)
})()
