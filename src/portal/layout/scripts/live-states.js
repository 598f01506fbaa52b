/**
 * Keeps the states of the applications as they are: the gate says what it knows, and asks none of them. Every half a minute for a quarter
 * of an hour, and only while the page can be seen, so that an open tab keeps nobody signed in.
 */
;(() => {
  const cards = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll('a[data-health]'))
  const until = Date.now() + 900000
  /**
   * @param {HTMLAnchorElement} card
   * @param {string} health
   */
  const show = (card, health) => {
    const words = card.closest('ul')?.dataset ?? {}
    card.dataset.health = health
    card.querySelector('.health')?.remove()
    if (health === 'down') {
      const mark = document.createElement('span')
      mark.className = 'small health down'
      mark.textContent = words.down ?? ''
      card.querySelector('.about')?.after(mark)
    }
  }
  const ask = async () => {
    if (document.hidden) return
    if (Date.now() > until) return clearInterval(timer)
    try {
      const answer = await fetch(location.pathname, { headers: { accept: 'application/json' } })
      if (answer.status === 401) return clearInterval(timer)
      const { applications } = await answer.json()
      for (const { address, health } of applications) {
        for (const card of cards) if (card.href === address && card.dataset.health !== health) show(card, health)
      }
    } catch {}
  }
  const timer = setInterval(ask, 30000)
  document.addEventListener('visibilitychange', ask)
})()
