import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { BrowserLite } from './browser/browser-lite.ts'

/** A device that signs for bound sessions, as browsers do it: a key of P-256. */
export interface Device {
  /** The JWT of a proof. `header` changes what it says of itself, `key` what it brings at a registration; null: none. */
  sign(
    challenge: string,
    options?: { readonly header?: Record<string, unknown>; readonly isNew?: boolean },
  ): Promise<string>
  readonly publicKey: CryptoKey
}

export async function makeDevice(): Promise<Device> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const { x = '', y = '' } = await exportJWK(publicKey)
  const jwk = { kty: 'EC', crv: 'P-256', x, y } as const
  return {
    publicKey,
    sign: (challenge, { header = {}, isNew = false } = {}) =>
      new SignJWT({ jti: challenge })
        .setProtectedHeader({ alg: 'ES256', typ: 'dbsc+jwt', ...(isNew ? { jwk } : {}), ...header })
        .sign(privateKey),
  }
}

/** Headers of what a browser asks by itself on a host. */
function own(origin: string) {
  return {
    origin,
    'sec-fetch-site': 'same-origin',
    'sec-fetch-mode': 'no-cors',
    'sec-fetch-dest': 'empty',
    accept: '*/*',
  }
}

/** What a browser was offered, and what it was told of its bound session. */
export class DeviceBrowser extends BrowserLite {
  readonly device: Device
  readonly origin: string
  /** The challenge of the last offer; null: there was none. */
  offered: string | null = null
  /** The session instructions; null: it has none, or was told to forget them. */
  instructions: {
    readonly session_identifier: string
    readonly credentials: readonly { readonly name: string }[]
  } | null = null

  private constructor(device: Device, origin: string, port: number, hosts: readonly string[], client: string) {
    super({
      headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': client },
      transport: async (address, init) => {
        init.headers.set('host', address.host)
        const at = `http://127.0.0.1:${port}${address.pathname}${address.search}`
        const isHere = hosts.includes(address.host)
        const answer = await (isHere ? fetch(at, { ...init, proxy: false }) : fetch(address, { ...init, proxy: false }))
        const offer = /^\(ES256\);path="([^"]+)";challenge="([^"]+)"$/.exec(
          answer.headers.get('secure-session-registration') ?? '',
        )
        if (offer !== null) this.offered = offer[2] ?? null
        return answer
      },
    })
    this.device = device
    this.origin = origin
  }

  /** One for these hosts, which a gate serves by plain HTTP behind a proxy that ends TLS: `origin` is where people sign in. */
  static async at(
    { port }: { readonly port: number },
    origin: string,
    hosts: readonly string[],
    { client = '192.0.2.1', device = undefined as Device | undefined } = {},
  ): Promise<DeviceBrowser> {
    return new DeviceBrowser(device ?? (await makeDevice()), origin, port, [new URL(origin).host, ...hosts], client)
  }

  /** Registers the device, as a browser does at once; or sends what a test says. */
  async register(proof?: string, headers: Record<string, string> = {}): Promise<Response> {
    const text = proof ?? (await this.device.sign(this.offered ?? '', { isNew: true }))
    const answer = await this.ask('bind', { 'secure-session-response': text, ...headers })
    if (answer.status === 200) this.instructions = (await answer.clone().json()) as DeviceBrowser['instructions']
    return answer
  }

  /** Renews the proof: asks for a challenge, and answers it. */
  async renew(device = this.device): Promise<Response> {
    const answer = await this.answer(await device.sign(await this.challenge()))
    return answer
  }

  /** A challenge for the bound session. */
  async challenge(identifier = this.instructions?.session_identifier ?? ''): Promise<string> {
    return challengeOf(await this.ask('renew', { 'sec-secure-session-id': identifier }))
  }

  async answer(proof: string, identifier = this.instructions?.session_identifier ?? ''): Promise<Response> {
    return this.ask('renew', { 'sec-secure-session-id': identifier, 'secure-session-response': proof })
  }

  ask(page: string, headers: Record<string, string>): Promise<Response> {
    return this.visit(`${this.origin}/.sallyport/${page}`, {
      method: 'POST',
      headers: { ...own(this.origin), ...headers },
    })
  }

  /** The name of the proof's cookie; empty: it has none. */
  get proof(): string {
    return this.instructions?.credentials[0]?.name ?? ''
  }
}

/** The challenge in an answer that asks for a signature; throws where it asks for none. */
export function challengeOf(answer: Response): string {
  const challenge = /^"([^"]+)";id="[^"]+"$/.exec(answer.headers.get('secure-session-challenge') ?? '')?.[1]
  if (answer.status !== 403 || challenge === undefined) throw new Error(`no challenge: ${answer.status}`)
  return challenge
}
