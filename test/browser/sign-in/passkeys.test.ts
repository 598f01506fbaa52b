import { expect, setDefaultTimeout } from 'bun:test'
import type { CDPSession, Page } from 'playwright-core'
import { LANGUAGES } from '../../../src/portal/language.ts'
import { findBarriers } from '../../kit/browser/accessible.ts'
import { openChromium, type WatchedContext, watchedContext } from '../../kit/browser/chromium.ts'
import { keepPicture } from '../../kit/browser/picture.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { PASSWORD, startPasskeyGate, user } from '../../kit/passkey-gate.ts'

const { test } = needs('chromium')

setDefaultTimeout(300_000)

const keep = untilTheEnd()
const browser = keep(await openChromium())
const PEOPLE = ['ada', 'bob', 'carl', 'dora', 'gina', 'hugo']
const gate = keep(await startPasskeyGate({ users: PEOPLE.map(name => user(name)).join('') }))

/** A device that has passkeys, with a finger on it. */
interface Device {
  readonly cdp: CDPSession
  readonly id: string
  /** Whether the next verification of the user succeeds. */
  verify(isUser: boolean): Promise<void>
  /** Whether somebody touches it. */
  touch(isThere: boolean): Promise<void>
}

async function deviceOf(page: Page): Promise<Device> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId: id } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return {
    cdp,
    id,
    async verify(isUserVerified) {
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified })
    },
    async touch(enabled) {
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled })
    },
  }
}

async function withDevice<T>(act: (page: Page, device: Device) => Promise<T>): Promise<T> {
  let done: { readonly value: T } | null = null
  await withPerson(async (_, page) => {
    await page.goto(home)
    done = { value: await act(page, await deviceOf(page)) }
  })
  if (done === null) throw new Error('it was done')
  return (done as { readonly value: T }).value
}

/** In every page: keeps what it asked the browser for passkeys with. */
const KEEP_ASKED = `
window.asked = []
const { get } = navigator.credentials ?? {}
if (get) navigator.credentials.get = options => { window.asked.push(options); return get.call(navigator.credentials, options) }`

/** Once the page has offered the passkeys by itself: what happens to the device from here on does not answer that. */
const untilOffered = (page: Page) =>
  eventually(
    () => page.evaluate<boolean>(`window.asked.some(one => one.mediation === 'conditional')`),
    'the page offers the passkeys by itself',
  )

async function withPerson(act: (person: WatchedContext, page: Page) => Promise<void>): Promise<void> {
  const person = await watchedContext(browser, { locale: 'en', viewport: { width: 1100, height: 800 } })
  try {
    await person.context.addInitScript(KEEP_ASKED)
    await act(person, await person.context.newPage())
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
}

/** Opens an invitation and creates a passkey, by clicks alone. */
async function acceptBy(page: Page, link: string): Promise<void> {
  await page.goto(link)
  await page.getByRole('button', { name: 'Accept the invitation' }).click()
  await page.getByRole('button', { name: 'Create a passkey' }).click()
}

const home = `${gate.portal}/.sallyport/`
const deep = `${gate.app}/deep?x=1`

/** Signs out of everything that this profile has, and keeps its passkeys. */
const forget = (page: Page) => page.context().clearCookies()

const credentialsOf = async ({ cdp, id }: Device) =>
  (await cdp.send('WebAuthn.getCredentials', { authenticatorId: id })).credentials

test('an invitation is three clicks; the return is one, or none where the browser offers the passkey by itself', async () => {
  await withPerson(async (_, page) => {
    await page.goto(home)
    const device = await deviceOf(page)
    await page.goto((await gate.invite('ada')).link)
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'invitation')
    await page.getByRole('button', { name: 'Accept the invitation' }).click()
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'create-passkey')
    await page.getByLabel('Name of this passkey').fill('my laptop')
    await page.getByRole('button', { name: 'Create a passkey' }).click()
    await page.waitForURL(home)
    const [credential] = await credentialsOf(device)
    expect([credential?.rpId, credential?.isResidentCredential, credential?.userName]).toEqual([
      'auth.localhost',
      true,
      'ada',
    ])
    // Nobody touches it: the field for the user name waits, and the button asks.
    await forget(page)
    await device.touch(false)
    await page.goto(deep)
    await untilOffered(page)
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'sign-in-passkey')
    await device.touch(true)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.waitForURL(deep)
    expect(await page.locator('body').textContent()).toContain('htpasswd:ada')
    await forget(page)
    await page.goto(deep)
    await page.waitForURL(deep)
    expect(await page.locator('body').textContent()).toContain('htpasswd:ada')
    // Whoever has just shown a passkey changes their own without a password.
    await page.goto(`${gate.portal}/.sallyport/account`)
    expect(await page.locator('main .rows h3').allTextContents()).toEqual(['my laptop '])
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'account-passkeys')
    await page.getByText('Add a passkey').first().click()
    expect(await findBarriers(page)).toEqual([])
    await page.getByRole('button', { name: 'Add a passkey' }).click()
    await page.getByRole('button', { name: 'Create a passkey' }).click()
    await page.getByText('This device already has a passkey for you.').waitFor()
    expect(await findBarriers(page)).toEqual([])
    await keepPicture(page, 'account-new-passkey')
  })
})

test('who is not verified, or cancels, is told so, and tries again on the same page', async () => {
  await withPerson(async (_, page) => {
    // Offered by itself, a passkey may sign in before the button is pressed.
    await page.addInitScript('PublicKeyCredential.isConditionalMediationAvailable = async () => false')
    await page.goto(home)
    const device = await deviceOf(page)
    await device.verify(false)
    const { link } = await gate.invite('bob')
    await acceptBy(page, link)
    await page.getByText('The passkey was not used. Try again.').waitFor()
    expect(await findBarriers(page)).toEqual([])
    expect(await credentialsOf(device)).toEqual([])
    await device.verify(true)
    await page.getByRole('button', { name: 'Create a passkey' }).click()
    await page.waitForURL(home)
    await forget(page)
    await device.verify(false)
    await page.goto(deep)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByText('The passkey was not used. Try again.').waitFor()
    await device.verify(true)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.waitForURL(deep)
    // This device has one of this user: a second invitation makes no second.
    await acceptBy(page, (await gate.invite('bob')).link)
    await page.getByText('This device already has a passkey for you.').waitFor()
    expect(await credentialsOf(device)).toHaveLength(1)
  })
})

test('who presses the button before the browser says whether it offers passkeys by itself goes on being asked', async () => {
  await withPerson(async (_, page) => {
    await page.addInitScript(
      'PublicKeyCredential.isConditionalMediationAvailable = () => new Promise(said => { window.say = said })',
    )
    await page.goto(home)
    await (await deviceOf(page)).touch(false)
    await page.goto(deep)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await eventually(() => page.evaluate<boolean>('window.asked.length > 0'), 'the browser is asked')
    await page.evaluate('window.say(true)')
    const asked = `window.asked.map(({ mediation, signal }) => [mediation ?? 'pressed', signal.aborted])`
    expect(await page.evaluate(asked)).toEqual([['pressed', false]])
  })
})

test('a copy of a passkey that counts ends it, whichever of the two comes second', async () => {
  const { id: copyId, credential } = await withDevice(async (page, device) => {
    await acceptBy(page, (await gate.invite('carl')).link)
    await page.waitForURL(home)
    const [copied] = await credentialsOf(device)
    if (copied === undefined) throw new Error('the device has a passkey')
    await forget(page)
    await page.goto(deep)
    await page.waitForURL(deep)
    return { id: device.id, credential: copied }
  })
  expect(copyId).not.toBe('')
  await withDevice(async (page, device) => {
    await device.touch(false)
    await device.cdp.send('WebAuthn.addCredential', { authenticatorId: device.id, credential })
    await page.goto(deep)
    await untilOffered(page)
    await device.touch(true)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByText('The passkey was not accepted.').waitFor()
    expect(gate.told('passkey.cloned', 'htpasswd:carl')).toHaveLength(1)
  })
})

test('a passkey of this portal is shown on no other host, whoever asks for it', async () => {
  await withPerson(async (_, page) => {
    await page.goto(home)
    const device = await deviceOf(page)
    await acceptBy(page, (await gate.invite('dora')).link)
    await page.waitForURL(home)
    await page.goto(deep)
    const asked = await page.evaluate(
      `navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: 'auth.localhost' } }).then(() => 'shown', error => error.name)`,
    )
    const own = await page.evaluate(
      `navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: 'app.localhost', timeout: 500 } }).then(() => 'shown', error => error.name)`,
    )
    expect([asked, own]).toEqual(['SecurityError', 'NotAllowedError'])
    expect(await credentialsOf(device)).toHaveLength(1)
  })
})

test('a passkey whose user left the file is refused, and the page is good for the next one', async () => {
  await using own = await startPasskeyGate({ users: user('eve') + user('finn') })
  await withDevice(async (page, device) => {
    await acceptBy(page, (await own.invite('eve')).link)
    await page.waitForURL(`${own.portal}/.sallyport/`)
    own.saveUsers(user('finn'))
    await eventually(async () => (await own.invite('eve').catch(() => null)) === null, 'eve is gone')
    await forget(page)
    await device.touch(false)
    await page.goto(`${own.app}/`)
    await untilOffered(page)
    await device.touch(true)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByText('The passkey was not accepted.').waitFor()
    expect(own.told('A passkey was refused').at(-1)).toContain('unknown user')
    await page.getByLabel('User name').fill('finn')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.waitForURL(`${own.app}/`)
  })
})

test('without scripts the page says what passkeys need, and passwords work', async () => {
  const person = await watchedContext(browser, { locale: 'en', javaScriptEnabled: false })
  try {
    const page = await person.open(deep)
    expect(await page.locator('noscript').first().textContent()).toContain('Passkeys need JavaScript')
    expect(await page.getByRole('button').allTextContents()).toEqual(['Sign in'])
    await page.getByLabel('User name').fill('gina')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(deep)
  } finally {
    await person.context.close()
  }
})

test.each(LANGUAGES.flatMap(({ lang }) => [[lang, 'light'] as const, [lang, 'dark'] as const]))(
  'the pages of an invitation and of a sign-in are said in %s, and keep nobody out: %s',
  async (lang, colorScheme) => {
    const person = await watchedContext(browser, { locale: lang, colorScheme, viewport: { width: 320, height: 700 } })
    try {
      const page = await person.context.newPage()
      const look = async (name: string) => {
        expect(await page.locator('html').getAttribute('lang')).toBe(lang)
        expect(await findBarriers(page)).toEqual([])
        expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
        await keepPicture(page, `${name}-${lang}-${colorScheme}`)
      }
      await page.goto((await gate.invite('hugo')).link)
      await look('invitation')
      await page.locator('button').click()
      await look('create-passkey')
      await page.goto(deep)
      await look('sign-in-passkey')
      expect(person.complaints).toEqual([])
    } finally {
      await person.context.close()
    }
  },
)

test('the page of users shows who has a passkey, invites by a click, and keeps nobody out on a phone', async () => {
  await using own = await startPasskeyGate({
    users:
      user('ada', 'groups = ["admins"]\ndisplay_name = "Ada L"') + user('bob') + user('root', 'groups = ["roots"]'),
    portal: 'admin_role = "admin"\nroles.admin = { groups = ["admins"] }\nroles.root = { groups = ["roots"] }',
  })
  const person = await watchedContext(browser, { locale: 'en', viewport: { width: 320, height: 700 } })
  try {
    const page = await person.open(`${own.portal}/.sallyport/login`)
    await page.getByLabel('User name').fill('ada')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.waitForURL(`${own.portal}/.sallyport/`)
    await page.goto(`${own.portal}/.sallyport/people`)
    expect(await findBarriers(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
    await keepPicture(page, 'people')
    await page.getByRole('button', { name: 'Invite bob' }).click()
    await page.getByText('Give this link to bob').waitFor()
    expect(await findBarriers(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
    await keepPicture(page, 'people-invited')
    expect(person.complaints).toEqual([])
  } finally {
    await person.context.close()
  }
})
