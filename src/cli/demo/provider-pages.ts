import { html } from 'hono/html'
import { demoPage, type Markup } from './look.ts'
import { DEMO_PEOPLE } from './people.ts'

const STYLE = `
body { min-height: 100vh; display: grid; place-items: center; padding: 1rem }
main { width: min(27rem, 100%) }
.tag { display: inline-block; font-size: .8rem; letter-spacing: .04em; background: var(--mark); border-radius: .4rem; padding: .15rem .5rem; margin-bottom: .9rem }
.person { display: flex; width: 100%; gap: .9rem; align-items: center; text-align: left; margin: 0 0 .6rem; padding: .7rem .8rem;
  background: transparent; color: var(--ink); border: 1px solid var(--line) }
ul { margin: 0 0 .8rem; padding-left: 1.2rem } .person:hover { border-color: var(--accent) }
.person i { flex: none; display: grid; place-items: center; width: 2.6rem; height: 2.6rem; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); font-style: normal; font-weight: 600 }
.person b, .person small { display: block } .person small { color: var(--soft); font-size: .85rem }
footer { font-size: .85rem; margin-top: 1rem; color: var(--soft) } footer p { margin: 0 }
`

function providerPage(title: string, body: Markup): Markup {
  const framed = html`<main class="card">
<span class="tag">demo provider</span>
<h1>${title}</h1>
${body}
<footer><p>A stand-in for a real OpenID provider, for this demonstration only: it asks for no password.</p></footer>
</main>`
  return demoPage({ title: `${title} · demo provider`, body: framed, style: STYLE })
}

/** Where one picks who to be. `request` names the pending authorization request. */
export function choosePage(request: string, clientName: string): Markup {
  return providerPage(
    'Who are you?',
    html`<p class="soft">Pick someone to sign in to ${clientName}.</p>
<form method="post" action="/authorize/choice">
<input type="hidden" name="request" value="${request}">
${DEMO_PEOPLE.map(
  person => html`<button class="person" name="person" value="${person.subject}">
<i aria-hidden="true">${person.name.slice(0, 1)}</i>
<span><b>${person.name}</b><small>${person.about}</small><small>${
    person.groups.length === 0 ? 'in no group' : `groups: ${person.groups.join(', ')}`
  }</small></span>
</button>
`,
)}<button class="person" name="person" value="">
<i aria-hidden="true">×</i>
<span><b>Nobody</b><small>go back without signing in</small></span>
</button>
</form>`,
  )
}

/** An authorization request that may not be answered at its redirect address (RFC 6749 §4.1.2.1). */
export function refusedPage(reason: string): Markup {
  return providerPage('This cannot work', html`<p>${reason}</p>`)
}

/** What whoever opens the provider itself finds. */
export function homePage(): Markup {
  return providerPage(
    'This is where people sign in',
    html`<p>It stands in the place of Pocket ID, or of any other OpenID provider. Nobody begins here: an application sends people over, and they
come back to it. Open one of the addresses that the terminal names.</p>
<p class="soft">These can sign in, without a password:</p>
<ul>${DEMO_PEOPLE.map(({ name, about }) => html`<li><b>${name}</b>, who ${about}</li>`)}</ul>
<p><a href="/.well-known/openid-configuration">Its discovery document, which Sallyport reads first</a></p>`,
  )
}

/** The end of a sign-out that named nowhere to return to. */
export function signedOutPage(): Markup {
  return providerPage('Signed out', html`<p>The demo provider keeps no sign-in of its own: it asks every time.</p>`)
}
