/** The few ASN.1 structures (DER) that ACME needs. */

export const [BITS, OCTETS, SEQUENCE, SET] = [0x03, 0x04, 0x30, 0x31]

/** A SEQUENCE of these (ITU-T X.690 §8.9). */
export function sequence(...parts: readonly Buffer[]): Buffer {
  return node(SEQUENCE, Buffer.concat(parts))
}

/** ITU-T X.690 §8.1: tag, length, content. */
export function node(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

export interface Node {
  readonly tag: number
  readonly content: Buffer
}

/** The nodes that lie side by side in some DER. Throws RangeError where it ends too early. */
export function parseNodes(der: Buffer): readonly Node[] {
  const nodes: Node[] = []
  for (let at = 0; at < der.length; ) {
    const tag = der.readUInt8(at)
    const first = der.readUInt8(at + 1)
    const sizeBytes = first < 0x80 ? 0 : first & 0x7f
    const length = sizeBytes === 0 ? first : der.readUIntBE(at + 2, sizeBytes)
    const begin = at + 2 + sizeBytes
    if (begin + length > der.length) throw new RangeError('the DER ends too early')
    nodes.push({ tag, content: der.subarray(begin, begin + length) })
    at = begin + length
  }
  return nodes
}
