/**
 * Lets the fragment of the page's address go with its forms. Browsers carry a fragment from redirect to redirect, up to the first page
 * that sends a form; the answer to a form with a fragment carries it on. It is sent to no server.
 */
;(() => {
  for (const form of document.forms) form.action += location.hash
  // Links to this page itself, with another choice.
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll('a.quiet'))) {
    if (link.pathname === location.pathname) link.hash = location.hash
  }
})()
