import { FORWARDED_FOR } from '../../base/client-address.ts'
import { compileNetworks } from '../../base/net.ts'
import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/types/config.ts'
import { ownPath } from '../../portal/place.ts'
import { bad, type Finding, unseen, warning } from './finding.ts'
import { hear } from './hear.ts'

/** Where proxies say the client's address: a proxy that believes its client in one of them may say that in another. */
const FIELDS = [
  'X-Forwarded-For',
  'X-Real-IP',
  'CF-Connecting-IP',
  'True-Client-IP',
  'Fly-Client-IP',
  'X-Client-IP',
  'Forwarded',
]

/** For documentation (RFC 5737): nobody comes from there. */
const FORGED = '192.0.2.66'

/**
 * Whether the proxy in front of a host says the client's address in the field that counts (`client_address`), and whether a client can
 * say another one, in that field or in one that the proxy believes.
 *
 * A client's word that goes on as it is shows in this: without it there is no address at all.
 */
export async function examineClientAddress(
  origin: string,
  { server: { clientAddress: counts, trustedProxies } }: Pick<Config, 'server'>,
  { ask }: Pick<Ports, 'ask'>,
): Promise<readonly Finding[]> {
  const address = origin + ownPath('address')
  const plain = await hear(address, { ask })
  if (plain === null) return []
  const { client, server } = plain
  if (plain.code === 'target.header') {
    return [
      bad(
        `the proxy in front of ${origin} says more than one address in ${counts}, which is refused`,
        `let it write ${counts} anew, and once; or name another field in client_address of [server]`,
      ),
    ]
  }
  // Something else answers, or a Sallyport that does not tell yet.
  if (client === undefined) return []
  const fields = [counts, ...FIELDS.filter(field => field.toLowerCase() !== counts.toLowerCase())]
  const heard = await Promise.all(fields.map(field => hear(address, { ask }, { [field]: forgedIn(field) })))
  const believed = fields.filter((_, index) => heard[index]?.client === FORGED)
  if (client !== null) {
    const isTrusted = compileNetworks(trustedProxies).has(client)
    return believed.map(field =>
      isTrusted && isList(field) && isList(counts)
        ? unseenFrom(client, address)
        : warning(
            `${origin} believes this machine when it says another address in ${field}`,
            `let your proxy write ${counts} anew from the connection; where it believes some clients only, see that this answers no ${FORGED} elsewhere: curl -H "${field}: ${forgedIn(field)}" ${address}`,
          ),
    )
  }
  if (believed.length === 0) return [unsaid(origin, counts)]
  const what = `whoever asks ${origin} can say any address in ${believed.join(', ')}: the proxy in front does not write ${counts} anew`
  // Without a proxy in between, this machine is one that may say it.
  return [(server === '' ? warning : bad)(what, `${MEND}, and run this again`)]
}

/** A list that goes on after a trusted address: whether the proxy believes its client in it, or Sallyport this machine, looks the same. */
function unseenFrom(client: string, address: string): Finding {
  return unseen(
    `whether strangers can say another address in X-Forwarded-For does not show from ${client}, which is in trusted_proxies`,
    `see from another machine that this answers no ${FORGED}: curl -H "X-Forwarded-For: ${FORGED}" ${address}`,
  )
}

function isList(field: string): boolean {
  return field.toLowerCase() === FORWARDED_FOR
}

const MEND =
  'let it set the field (nginx: proxy_set_header X-Forwarded-For $remote_addr;), or name the one that it does set in client_address of [server], as in "X-Real-IP"'

function unsaid(origin: string, counts: string): Finding {
  const what = `the proxy in front of ${origin} says no address in ${counts}: no rule with networks lets anybody in, and all its clients share one limit`
  return warning(what, MEND)
}

function forgedIn(field: string): string {
  return field === 'Forwarded' ? `for=${FORGED}` : FORGED
}
