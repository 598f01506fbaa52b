/** Counts the bytes of a response's body, chunked or not, and keeps its beginning. */
export class BodyCounter {
  #head = Buffer.alloc(0)
  #status = 0
  #isChunked = false
  #bytes = 0
  #start = ''
  #chunkLeft = 0
  #line = ''

  take(bytes: Buffer): void {
    if (this.#status !== 0) {
      this.#body(bytes)
      return
    }
    this.#head = Buffer.concat([this.#head, bytes])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return
    const text = this.#head.toString('latin1', 0, end)
    this.#status = Number(text.slice(9, 12))
    this.#isChunked = /\r\ntransfer-encoding: *chunked/i.test(text)
    this.#body(this.#head.subarray(end + 4))
  }

  result(): { status: number; bytes: number; text: string } {
    return { status: this.#status, bytes: this.#bytes, text: this.#start }
  }

  #count(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#start.length < 100) this.#start += bytes.toString('latin1', 0, 100)
  }

  #body(bytes: Buffer): void {
    if (!this.#isChunked) {
      this.#count(bytes)
      return
    }
    for (let at = 0; at < bytes.length; ) {
      if (this.#chunkLeft > 0) {
        const part = bytes.subarray(at, at + this.#chunkLeft)
        this.#count(part)
        this.#chunkLeft -= part.length
        at += part.length
        continue
      }
      const character = bytes.toString('latin1', at, ++at)
      if (character !== '\n') this.#line += character
      else {
        this.#chunkLeft = Number.parseInt(this.#line || '0', 16)
        this.#line = ''
      }
      if (this.#line === '\r') this.#line = ''
    }
  }
}
