import { isIP, isIPv4 } from 'node:net'
import { findClient } from '../../../src/base/client-address.ts'
import { canonicalAddress, compileNetworks, networkOf } from '../../../src/base/net.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const PEER = '10.0.0.1'
const TRUSTED = compileNetworks(['10.0.0.0/8', 'fd00::/8', '::1'])

/** X-Forwarded-For, as a trusted proxy hands it on. */
export const forwarded: Subject = {
  name: 'forwarded',
  seeds: [
    '203.0.113.9',
    '203.0.113.9, 10.0.0.2',
    'fd00::1,2001:db8::1',
    '::ffff:10.0.0.3',
    'unknown',
    '1.2.3.4:80',
    '[::1]',
  ],
  words:
    ', ,, 10.0.0.2 127.0.0.1 0x7f.1 010.0.0.1 ::1 ::ffff:10.0.0.1 ::10.0.0.1 fe80::1%eth0 2001:db8:: _hidden unknown [ ] : % / 0 .'.split(
      ' ',
    ),
  maxBytes: 120,
  open: () => ({
    attempt(input) {
      const text = textOf(input)
      const { address, isProven } = findClient(PEER, text, TRUSTED, true)
      hold(canonicalAddress(address) === address, 'an address is in its one spelling', text, address)
      hold(isIP(address) !== 0, 'an address is one', text, address)
      // A second reading: from the right, past whom we trust, up to the first that is none.
      const entries = text
        .split(',')
        .map(entry => entry.trim())
        .reverse()
      const passed = entries.findIndex(entry => !isAddress(entry) || !TRUSTED.has(entry))
      const stop = passed === -1 ? (entries.at(-1) ?? '') : (entries[passed] ?? '')
      const isGood = isAddress(stop)
      const before = passed <= 0 ? PEER : (entries[passed - 1] ?? PEER)
      hold(isProven === isGood, 'what is no address proves nothing', text, address, isProven)
      hold(
        plain(address) === plain(isGood ? stop : before),
        'the client is the last whom nobody trusted added',
        text,
        address,
      )
      hold(isProven || TRUSTED.has(address), 'who is not proven is a proxy of ours', text, address)
      const untrusted = findClient('192.0.2.1', text, TRUSTED, true)
      const single = findClient(PEER, text, TRUSTED, false)
      hold(single.isProven === isAddress(text.trim()), 'one address, or none', text, single.address)
      hold(plain(single.address) === plain(single.isProven ? text.trim() : PEER), 'that one, or the peer', text)
      hold(untrusted.address === '192.0.2.1' && untrusted.isProven, 'nobody else is believed', text)
      return `${isProven} ${isIPv4(address)} ${TRUSTED.has(address)} ${Math.min(4, passed)} ${networkOf(address).includes('/')}`
    },
  }),
}

/** Whether an entry is an address by another reader; `::1.2.3.4` is none here in any spelling, since it is read as two, and a
 * zone has letters and digits. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !/^[0:]+:\d+\.|%(?![0-9a-z]+$)/i.test(text)
}

/** An address as a number, by another way than the program's own; mapped ones are IPv4. A zone stays beside it. */
function plain(address: string): string {
  const [own = '', zone = ''] = address.split('%')
  const quad = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(own)?.slice(1).map(Number)
  if (isIPv4(own)) return `4 ${quad?.join('.')}`
  const [a = 0, b = 0, c = 0, d = 0] = quad ?? []
  const text =
    quad === undefined ? own : own.replace(/[\d.]+$/, `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`)
  const [left = [], right = []] = text.split('::').map(half => half.split(':').filter(group => group !== ''))
  const zeros = text.includes('::') ? Array<string>(8 - left.length - right.length).fill('0') : []
  const groups = [...left, ...zeros, ...right].map(group => Number.parseInt(group, 16))
  const isMapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  const [high = 0, low = 0] = groups.slice(6)
  return isMapped ? `4 ${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}` : `6 ${groups.join(':')}%${zone}`
}
