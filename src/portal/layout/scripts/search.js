/** Shows what fits while one types, as the form does once it is sent. */
;(() => {
  const box = /** @type {HTMLInputElement} */ (document.querySelector('input[type=search]'))
  const none = /** @type {HTMLElement} */ (document.querySelector('.none'))
  const apps = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-find]')])
  const groups = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('.group')])
  // What is typed is looked for at once.
  for (const button of box.form?.querySelectorAll('button') ?? []) button.hidden = true
  box.addEventListener('input', () => {
    const words = box.value.trim().toLowerCase().split(/\s+/)
    for (const app of apps) app.hidden = !words.every(word => app.dataset.find?.includes(word))
    for (const group of groups) group.hidden = !apps.some(app => !app.hidden && group.contains(app))
    none.hidden = apps.some(app => !app.hidden)
  })
})()
