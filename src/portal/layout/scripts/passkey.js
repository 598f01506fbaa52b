/**
 * Has the browser create a passkey, or show one, as `data-options` asks, and sends what it says by the form (Web Authentication §5.1).
 * On a page to sign in it also offers the passkeys in the field for the user name.
 */
;(() => {
  const form = /** @type {HTMLFormElement} */ (document.querySelector('[data-options]'))
  const field = /** @type {HTMLInputElement} */ (form.querySelector('[name=passkey]'))
  const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'))
  const parts = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']
  const show = (/** @type {string} */ what) => {
    for (const box of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll('[data-when]'))) {
      box.hidden = box.dataset.when !== what
    }
  }
  if (!window.PublicKeyCredential) {
    show('none')
    return
  }
  const toBytes = (/** @type {string} */ text) =>
    Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), letter => letter.charCodeAt(0))
  const toText = (/** @type {ArrayBuffer} */ bytes) =>
    btoa(String.fromCharCode(...new Uint8Array(bytes)))
      .replace(/\+/g, '-')
      .replace(/\//g, '_')
      .replace(/=+$/, '')
  const publicKey = JSON.parse(form.dataset.options ?? '')
  const isNew = Boolean(publicKey.user)
  publicKey.challenge = toBytes(publicKey.challenge)
  if (isNew) publicKey.user.id = toBytes(publicKey.user.id)
  for (const known of publicKey.excludeCredentials ?? []) known.id = toBytes(known.id)

  let asking = new AbortController()
  const ask = async (/** @type {'conditional' | undefined} */ mediation) => {
    asking.abort()
    asking = new AbortController()
    const { signal } = asking
    try {
      /** @type {any} */
      const options = { publicKey, signal, ...(mediation && { mediation }) }
      /** @type {any} */
      const made = await (isNew ? navigator.credentials.create(options) : navigator.credentials.get(options))
      const response = Object.fromEntries(
        parts.flatMap(part => (made.response[part] ? [[part, toText(made.response[part])]] : [])),
      )
      field.value = JSON.stringify({ id: made.id, rawId: made.id, type: made.type, response })
      const keep = /** @type {HTMLInputElement | null} */ (document.querySelector('[data-offer]'))
      if (keep?.checked) /** @type {HTMLInputElement} */ (form.querySelector('[name=keep]')).value = '1'
      button.disabled = true
      form.submit()
    } catch (error) {
      // Another question has taken the place of this one, or nobody has asked for it.
      if (signal.aborted || mediation) return
      show(/** @type {Error} */ (error).name === 'InvalidStateError' ? 'known' : 'failed')
      offer()
    }
  }
  // What was just refused is not offered again by itself: a device that answers at once would go round in circles. Nor does an offer
  // take the place of what is asked for by the button meanwhile.
  const offer = async () => {
    const before = asking
    if (isNew || form.dataset.quiet === 'true' || !(await PublicKeyCredential.isConditionalMediationAvailable?.()))
      return
    if (asking === before) ask('conditional')
  }
  button.addEventListener('click', () => {
    show('')
    ask(undefined)
  })
  button.hidden = false
  offer()
})()
