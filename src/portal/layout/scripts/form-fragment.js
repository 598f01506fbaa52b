/**
 * Has a choice in the form, to stay signed in, go with the other ways to sign in, too. And lets the fragment of the page's address go with its forms. Browsers carry a fragment from redirect to redirect, up to the first page
 * that sends a form; the answer to a form with a fragment carries it on. It is sent to no server.
 */
;(() => {
  for (const form of document.forms) form.action += location.hash
  const keep = /** @type {HTMLInputElement | null} */ (document.querySelector('[data-offer]'))
  const follow = () => {
    for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll('.acts a'))) {
      const address = new URL(link.href)
      address.searchParams.delete('remember')
      if (keep?.checked) address.searchParams.set('remember', keep.dataset.offer ?? '')
      link.href = address.href
    }
  }
  if (keep) {
    keep.addEventListener('change', follow)
    follow()
  }
  // Links to this page itself, with another choice.
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll('a.quiet'))) {
    if (link.pathname === location.pathname) link.hash = location.hash
  }
})()
