import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { type Child, serving } from '../process.ts'
import { type Front, frontOf, type Subject, type SubjectKey, subject } from '../subject.ts'

export interface SigningIn {
  readonly name: SubjectKey
  readonly label: string
  /** By which browsers come, without a port. */
  readonly host: string
  readonly fronts: readonly Front[]
}

export interface PlaceOfIt {
  readonly port: number
  /** The port of the application. */
  readonly upstream: number
  /** The host by which browsers come, with the port. */
  readonly authority: string
}

export interface Started {
  readonly child: Child
  isUp(): Promise<void>
}

/** A gate that signs people in by itself, measured at the front `app` alone, with Ada's cookie. */
export function signedIn({ name, label, host, fronts }: SigningIn, start: (place: PlaceOfIt) => Started): Subject {
  const { port, upstream } = frontOf(fronts, 'app')
  const authority = `${host}:${port}`
  let cookie = ''
  const launch = (): Promise<Child> => {
    const { child, isUp } = start({ port, upstream, authority })
    return serving(child, async () => {
      await isUp()
      cookie = await signInBy(`http://${authority}/`, { [authority]: `127.0.0.1:${port}` })
    })
  }
  return subject(
    name,
    label,
    launch,
    () => ({ port, headers: { host: authority, cookie } }),
    front => front === 'app',
    'gate',
  )
}

/** Signs in as Ada and answers the Cookie field for that address; throws when it ends anywhere else. */
export async function signInBy(address: string, hosts: Readonly<Record<string, string>>): Promise<string> {
  const browser = new BrowserLite({ hosts })
  const page = await browser.signIn(address, 'ada')
  if (page.response.status !== 200) {
    throw new Error(`signing in ended at ${page.address.href.split('?')[0]} with ${page.response.status}`)
  }
  return browser.cookieHeader(new URL(address))
}
