/** Copies the text before a button, with a tick when it is done; shares it by the phone's own sheet where there is one. */
;(() => {
  /** @param {Element} button */
  const textBefore = button => {
    let at = button.previousElementSibling
    while (at && at.tagName !== 'CODE') at = at.previousElementSibling
    return at
  }
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-copy]'))) {
    const { textContent: label, dataset } = button
    button.hidden = false
    button.addEventListener('click', async () => {
      const code = textBefore(button)
      if (!code) return
      try {
        await navigator.clipboard.writeText(code.textContent)
      } catch {
        // Plain HTTP has no clipboard: what is selected can be copied by the old way, or by hand.
        getSelection()?.selectAllChildren(code)
        if (!document.execCommand('copy')) return
      }
      button.textContent = `\u2713 ${dataset.copy}`
      setTimeout(() => (button.textContent = label), 2000)
    })
  }
  if (!navigator.share || !matchMedia('(pointer: coarse)').matches) return
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-share]'))) {
    button.hidden = false
    button.addEventListener('click', () => {
      navigator.share({ url: textBefore(button)?.textContent ?? '' }).catch(() => {})
    })
  }
})()
