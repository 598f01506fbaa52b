/** The questions of `sallyport init`, in the order in which they are asked. */

import { isIP } from 'node:net'
import { isLoopbackHost, isPublicAddress } from '../../base/net.ts'
import { bad, good, type Parsed } from '../../config/text/diagnostic.ts'
import { parseIssuer, parsePortalUrl, parseUpstream } from '../../config/values/address.ts'
import { parseEmail } from '../../config/values/email.ts'
import { parseHost } from '../../config/values/host.ts'
import { parseNetwork } from '../../config/values/listen.ts'
import { listRecipes, type Recipe, readRecipe, recipeHint } from '../recipe/recipe.ts'
import type { Question } from './ask.ts'
import { COMING_KINDS, type Coming, isPlainHttp, originBy, portalOf } from './https.ts'
import { issuerByName, presetOf } from './members.ts'
import { FRONT_KINDS, type FrontKind, isFrontKind } from './proxy-in-front.ts'

/**
 * The provider's address; empty for none, where the user enters nothing. `find` sends a request to it, so that a
 * mistake shows before the next question.
 */
export function issuerQuestion(find: (issuer: string) => Promise<Parsed<string>>): Question {
  return {
    flag: '--users or --issuer',
    prompt: `How do people sign in?
  press Enter         by a form of ours, with the names of a file, and passwords (with codes of an authenticator app, if you
                      like) or passkeys: docs/passkeys.md
  or type an address  at your provider: Pocket ID's address, or the issuer of another; it can take the place of the form later
  or type a name      google, github or discord: you say who of all their people may come`,
    fallback: null,
    async parse(text) {
      if (text.trim() === '' || isNothing(text)) return good('')
      const known = issuerByName(text)
      if (known !== null) return presetOf(known) === null ? find(known) : good(known)
      const issuer = parseIssuer(withScheme(text, 'https'))
      return issuer.ok ? find(issuer.value) : issuer
    },
  }
}

export const HOST: Question = {
  flag: '--host',
  prompt: 'The host by which people reach your first application, such as app.example.com',
  fallback: null,
  parse: parseHost,
}

/** Which application it is: the name of a recipe, or nothing. */
export async function recipeQuestion(): Promise<Question> {
  return {
    flag: '--recipe',
    prompt: `Is it one of these? Its recipe knows what has to stay open, and what to set in it:\n${await listRecipes()}Its name, or press Enter for none of them`,
    fallback: '',
    async parse(text) {
      const recipe = await readRecipe(text)
      return recipe === null ? bad('text.empty', `there is no recipe "${text}"`, recipeHint(text)) : good(recipe.name)
    },
  }
}

/** Where an application answers that has a recipe: by its usual port. */
export function upstreamOf(recipe: Recipe | null): Question {
  const usual = recipe === null ? undefined : /http:\/\/app:\d+/.exec(recipe.text)?.[0]
  return usual === undefined ? UPSTREAM : { ...UPSTREAM, prompt: `Where it answers itself, such as ${usual}` }
}

const COMINGS: Readonly<Record<Coming['kind'], string>> = {
  acme: "by https://, which Sallyport speaks itself, with certificates of Let's Encrypt (ports 80 and 443)",
  files: 'by https://, which Sallyport speaks itself, with a certificate of your own',
  proxy: 'by https://, which a proxy in front of Sallyport speaks',
  plain: 'by http://, in a network where everybody is trusted: whoever listens there can take over sign-ins',
}

/**
 * How browsers come to this host. A name of a network of one's own has plain HTTP first, since no authority gives it a
 * certificate; where nobody is asked, only this machine has.
 */
export function comingQuestion(host: string, isAsked: boolean): Question {
  const isOwn = isLoopbackHost(host) || (isAsked && isPrivateName(host))
  const kinds = isOwn ? (['plain', ...COMING_KINDS.filter(kind => kind !== 'plain')] as const) : COMING_KINDS
  const usual = isOwn ? 'plain' : 'proxy'
  return {
    flag: '--tls',
    prompt: `How will browsers come?
${kinds.map(kind => `  ${kind.padEnd(5)}  ${COMINGS[kind]}\n`).join('')}One of these, or press Enter for ${usual}`,
    fallback: usual,
    parse(text) {
      const kind = text.trim().toLowerCase()
      const isKnown = COMING_KINDS.some(one => one === kind)
      return isKnown ? good(kind) : bad('text.empty', `"${text}" is none of them`, `one of ${kinds.join(', ')}`)
    },
  }
}

/** Whether a host is named as in a network of one's own: by one label, by an ending for such networks, or by a private address. */
function isPrivateName(host: string): boolean {
  if (/^[^.:]+$/.test(host) || /\.(?:lan|local|internal|intranet|home|home\.arpa|test|private)$/.test(host)) return true
  const address = host.replace(/^\[|\]$/g, '')
  return isIP(address) !== 0 && !isPublicAddress(address)
}

/** A file of the certificate for Sallyport's own HTTPS, which `read` reads, so that a slip shows at once. */
export function certificateQuestion(what: 'cert' | 'key', read: (path: string) => string): Question {
  return {
    flag: `--${what}`,
    prompt:
      what === 'cert'
        ? 'The file of its certificate, with those between it and the authority, in PEM'
        : 'The file of its private key, in PEM',
    fallback: null,
    parse(text) {
      if (text.trim() === '') return bad('text.empty', 'A file is needed, such as example.com.pem')
      try {
        read(text)
        return good(text)
      } catch (thrown) {
        return bad('text.empty', thrown instanceof Error ? thrown.message : String(thrown))
      }
    },
  }
}

/** `--port`: a number of a port, as text. */
export const PORT: Question = {
  flag: '--port',
  prompt: 'The port at which Sallyport listens',
  fallback: null,
  parse(text) {
    const isPort = /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536
    return isPort ? good(text) : bad('text.empty', `"${text}" is no port`, 'a number from 1 to 65535')
  },
}

export const ACME_EMAIL: Question = {
  flag: '--email',
  prompt: 'An e-mail address at which the authority may reach you, or press Enter for none',
  fallback: '',
  parse: parseEmail,
}

export const PROXY_ADDRESS: Question = {
  flag: '--proxy-address',
  prompt: 'The address that this proxy comes from, such as 127.0.0.1, or press Enter to write it into the file later',
  fallback: '',
  parse: parseProxy,
}

export const SCHEMA: Question = {
  flag: '--schema',
  prompt: 'Shall editors complete and check the file? "yes" writes routes.schema.json beside it, Enter does not',
  fallback: 'no',
  parse(text) {
    const said = text.trim().toLowerCase()
    if (said === 'y' || said === 'yes') return good('yes')
    return said === 'n' || said === 'no' ? good('no') : bad('text.empty', `"${text}" is neither yes nor no`, '')
  },
}

function parseProxy(text: string): Parsed<string> {
  const network = parseNetwork(text.trim())
  return network.ok ? good(text.trim()) : network
}

export const UPSTREAM: Question = {
  flag: '--upstream',
  prompt: 'Where it answers itself, such as http://127.0.0.1:3000',
  fallback: null,
  parse(text) {
    if (text.trim() === '') return bad('text.empty', 'An address is needed, such as http://127.0.0.1:3000')
    const address = text.startsWith('unix:') ? text : withScheme(text, 'http')
    const parsed = parseUpstream(address)
    return parsed.ok ? good(address) : parsed
  },
}

export const FRONT: Question = {
  flag: '--front',
  prompt: `Who stands in front of it? Press Enter for Sallyport, which leads to it. Or name a proxy of yours that has it, and asks Sallyport:\n${FRONT_KINDS.join(', ')}`,
  fallback: 'sallyport',
  parse(text) {
    const kind = text.trim().toLowerCase()
    if (kind === 'sallyport' || isFrontKind(kind)) return good(kind)
    return bad('text.empty', `"${text}" is none of them`, `one of sallyport, ${FRONT_KINDS.join(', ')}`)
  },
}

/** Where a proxy comes from; what is usual is this machine, and for the ingress of a cluster nothing is. */
export function frontNetworkQuestion(kind: FrontKind): Question {
  const isCluster = kind === 'ingress-nginx'
  return {
    flag: '--front-address',
    prompt: isCluster
      ? 'The network of the pods of its controller, such as 10.244.0.0/16'
      : 'The address that it comes from, as Sallyport sees it, or press Enter if it is on this machine, 127.0.0.1',
    fallback: isCluster ? null : '127.0.0.1',
    parse: parseProxy,
  }
}

/** The application as the file of a proxy names it: by host and port, which is all that every one of them has. */
export function isNamedByFront(upstream: string): boolean {
  const url = URL.parse(upstream)
  return url !== null && url.protocol === 'http:' && url.pathname === '/' && url.search === ''
}

/** Where people sign in. A portal is at the port where Sallyport listens for browsers, unless it says another. */
export function portalQuestion(coming: Coming, host: string): Question {
  const isPlain = isPlainHttp(coming)
  return {
    flag: '--portal',
    prompt: `An address of its own for signing in, such as ${portalOf({ host, coming })}, serves many applications${isPlain ? '' : ', and passkeys need one'}. Its name has to lead here, too.\nYours, or press Enter to sign in on the application’s host`,
    fallback: '',
    parse(text) {
      if (text === 'own') return good('')
      const portal = parsePortalUrl(withScheme(text, isPlain ? 'http' : 'https'))
      if (!portal.ok) return portal
      if (portal.value.scheme === 'http' && !isPlain) {
        return bad('portal.url', 'people sign in by https', 'say https, or --tls plain in a network of plain HTTP')
      }
      const { scheme, authority, host } = portal.value
      const isBare = authority === host && !/:\d+\/?$/.test(text.trim())
      const own = originBy(coming, host)
      return good(isBare && own.startsWith(`${scheme}:`) ? own : `${scheme}://${authority}`)
    },
  }
}

export const GROUP: Question = {
  flag: '--group NAME or --everyone',
  prompt: 'The group whose members may pass, or press Enter for everyone who can sign in',
  fallback: '',
  parse: text => (text.trim() === '' ? bad('text.empty', 'a group has a name') : good(text)),
}

export const API_KEY: Question = {
  flag: '--api-key-file',
  prompt: 'An API key of Pocket ID, to make the client there, or press Enter to make it yourself',
  fallback: '',
  isSecret: true,
  parse: text => good(text.trim()),
}

export const CLIENT_ID: Question = {
  flag: '--client-id',
  prompt: 'The client id',
  fallback: null,
  parse: text =>
    text.trim() === '' ? bad('text.empty', 'A client id is needed, as the provider shows it') : good(text),
}

export const CLIENT_SECRET: Question = {
  flag: '--client-secret-file or --public',
  prompt: 'The client secret, or press Enter for a public client',
  fallback: '',
  isSecret: true,
  parse: text => good(text.trim()),
}

/** Whether browsers come to the provider by Sallyport. */
export function providerRouteQuestion(issuer: string, internalUrl: string): Question {
  return {
    ...SCHEMA,
    flag: '--provider-route',
    prompt: `Shall Sallyport lead browsers to the provider too, from ${new URL(issuer).origin} to ${internalUrl}?
"yes" where nothing else of yours does, open to everybody; Enter: no`,
  }
}

/** Whether a client that somebody made before is ours now. */
export function takeOverQuestion(name: string, callbacks: readonly string[]): Question {
  const use = callbacks.length === 0 ? 'comes back to nowhere yet' : `comes back to ${callbacks.join(', ')}`
  return {
    ...SCHEMA,
    flag: '--take-over',
    prompt: `Pocket ID has a client "${name}" already, which ${use}.
"yes" takes it over: it comes back here besides, and gets another secret, in place of the one before up to Pocket ID 2.13; Enter: no`,
  }
}

/** What somebody types who was told to answer with nothing. */
function isNothing(text: string): boolean {
  return /^(?:nothing|none|enter|press enter)$/i.test(text.trim())
}

function withScheme(text: string, scheme: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${scheme}://${text}`
}
