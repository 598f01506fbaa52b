/**
 * Continues with the fragment that `keep-fragment.js` has kept for the path, no longer than a sign-in may take. Only a `#` can follow
 * the path, so it leads nowhere else.
 */
;(() => {
  const box = /** @type {HTMLElement} */ (document.querySelector('[data-onward]'))
  const { returnTo, onward } = box.dataset
  let hash = ''
  try {
    const [path, kept, at] = JSON.parse(sessionStorage.getItem('sallyport-fragment') ?? '')
    if (path === returnTo && kept[0] === '#' && Date.now() - at < 3600000) hash = kept
  } catch {}
  try {
    sessionStorage.removeItem('sallyport-fragment')
  } catch {}
  location.replace(onward + hash)
})()
