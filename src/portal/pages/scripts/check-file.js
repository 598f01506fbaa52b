/** Has what is typed checked, once nothing more is typed for a moment; what is typed meanwhile takes its place. */
;(() => {
  const form = /** @type {HTMLFormElement} */ (document.querySelector('form.edit'))
  const list = /** @type {HTMLElement} */ (document.querySelector('#findings'))
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  /** @type {AbortController | undefined} */
  let asking
  const ask = async () => {
    asking?.abort()
    asking = new AbortController()
    // A form's fields are texts: it has no files.
    const body = new URLSearchParams(/** @type {any} */ (new FormData(form)))
    body.set('act', 'check')
    try {
      const answer = await fetch(form.getAttribute('action') ?? '', {
        method: 'POST',
        body,
        headers: { accept: 'application/json' },
        signal: asking.signal,
      })
      /** @type {{ says?: string[] }} */
      const { says } = await answer.json()
      if (!says) return
      list.replaceChildren(
        ...says.map(text => {
          const line = document.createElement('li')
          line.textContent = text
          return line
        }),
      )
    } catch {}
  }
  form.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(ask, 500)
  })
})()
