import { exportJWK, generateKeyPair, type JWK } from 'jose'

/** A key of a provider: what it signs with, and both halves as they are published or configured, without an id. */
export interface ProviderKey {
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK
  readonly privateJwk: JWK
}

/** The keys of one provider. No other has any of them until it has given them back. */
export interface ProviderKeys {
  /** One that this provider has not had yet. */
  take(alg: string): Promise<ProviderKey>
  /** Once it has stopped. */
  giveBack(): void
}

/** An RSA key takes a tenth of a second to make, and hundreds of providers are started: whoever stops leaves its keys to the next. */
const unused = new Map<string, ProviderKey[]>()

export function openKeys(): ProviderKeys {
  const taken: ProviderKey[] = []
  return {
    async take(alg) {
      const key = unused.get(alg)?.shift() ?? (await makeKey(alg))
      taken.push(key)
      return key
    },
    giveBack() {
      for (const key of taken.splice(0)) unused.set(key.alg, [...(unused.get(key.alg) ?? []), key])
    },
  }
}

async function makeKey(alg: string): Promise<ProviderKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, privateKey, publicJwk: await exportJWK(publicKey), privateJwk: await exportJWK(privateKey) }
}
