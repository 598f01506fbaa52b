import { GateError } from '../../../src/base/errors.ts'
import { verifyIdToken } from '../../../src/identity/id-token.ts'
import { encode, KEYS, said, signed, tokenOf } from '../signing.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const NOW_S = 1_800_000_000
const [ISSUER, CLIENT, NONCE, ACCESS_TOKEN] = ['https://id.example', 'gate', 'nonce-1', 'access-1']

const HEADER = { alg: 'ES256', kid: 'one', typ: 'JWT' }
const CLAIMS = { iss: ISSUER, aud: CLIENT, sub: 'ada', nonce: NONCE, iat: NOW_S, exp: NOW_S + 300 }

const RIGHT = signed(JSON.stringify(HEADER), JSON.stringify(CLAIMS))

/** `T` and a token as it comes, or `S`, a head and claims in JSON, which are signed well. */
export const jwts: Subject = {
  name: 'jwts',
  seeds: [
    `T${RIGHT}`,
    `T${encode('{"alg":"none"}')}.${encode(JSON.stringify(CLAIMS))}.`,
    said(HEADER, CLAIMS),
    said({ ...HEADER, typ: 'at+jwt' }, CLAIMS),
    said({ alg: 'ES256' }, { ...CLAIMS, aud: [CLIENT, 'other'], azp: CLIENT }),
    said({ ...HEADER, crit: ['exp'] }, { ...CLAIMS, at_hash: 'x', nbf: NOW_S }),
    said(HEADER, { ...CLAIMS, sub: '', exp: NOW_S - 61 }),
  ],
  words: [
    ...'" : , { } [ ] null true 0 -1 1e999 "alg":"none" "alg":"HS256" "ES256" "kid":"two" "b64":false "crit":[] "jwk":{} "iss" "aud" "azp"'.split(
      ' ',
    ),
    ...'"sub":"" "sub":1 "nonce" "iat" "exp" "nbf" "at_hash" "gate" ["gate"] ["gate",1] 1800000000 1799999939 9e15 "__proto__":{} \\u0000 . = A'.split(
      ' ',
    ),
  ],
  maxBytes: 700,
  open: () => ({
    async attempt(input) {
      const { token, isOurs } = tokenOf(textOf(input))
      const expected = { issuer: ISSUER, clientId: CLIENT, algorithms: ['ES256', 'RS256'], nowMs: NOW_S * 1000 }
      try {
        const claims = await verifyIdToken(
          token,
          { ...expected, nonce: NONCE, accessToken: ACCESS_TOKEN },
          KEYS,
          ISSUER,
        )
        checkAccepted(token, claims, isOurs)
        return `taken ${isOurs} ${Array.isArray(claims.aud)} ${['azp', 'nbf', 'at_hash'].filter(name => name in claims)}`
      } catch (thrown) {
        if (!(thrown instanceof GateError) || thrown.code !== 'provider.id_token') throw thrown
        // Shorter ones are in any words.
        hold(token.length < 8 || !`${thrown.message} ${thrown.hint}`.includes(token), 'no token is told', token)
        return `${isOurs} ${thrown.facts.check}`
      }
    },
  }),
}

/** Each rule of OpenID Connect Core §3.1.3.7 once more, said plainly. */
function checkAccepted(token: string, claims: Readonly<Record<string, unknown>>, isOurs: boolean): void {
  const [head = '', payload = ''] = token.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString('utf8'))
  const stated = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
  hold(
    isOurs || `${head}.${payload}` === RIGHT.slice(0, RIGHT.lastIndexOf('.')),
    'a token is taken as it was signed',
    token,
  )
  const { iss, aud, azp, sub, nonce, iat, exp, nbf, at_hash } = claims
  const audiences = Array.isArray(aud) ? aud : [aud]
  hold(header.alg === 'ES256' && header.crit === undefined, 'the algorithm is the key’s', header)
  hold(!/\+jwt$/i.test(String(header.typ)), 'a token of another kind is none', header)
  hold(iss === ISSUER && sub === stated.sub && nonce === NONCE, 'who, for whom, and when asked', claims)
  hold(typeof sub === 'string' && sub.length > 0 && sub.length < 256, 'somebody is named', claims)
  hold(audiences.includes(CLIENT) && audiences.every(one => typeof one === 'string'), 'it is for us', claims)
  hold(azp === undefined ? audiences.length === 1 : azp === CLIENT, 'it was given to us', claims)
  hold(typeof exp === 'number' && exp > NOW_S - 60, 'it is not over', claims)
  hold(typeof iat === 'number' && iat <= NOW_S + 60, 'it was made before now', claims)
  hold(nbf === undefined || (typeof nbf === 'number' && nbf <= NOW_S + 60), 'it is good already', claims)
  hold(at_hash === undefined || typeof at_hash === 'string', 'a hash is a text', claims)
}
