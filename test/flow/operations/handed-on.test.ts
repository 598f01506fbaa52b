import { expect, setDefaultTimeout } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { HOSTS } from '../../kit/programs/recipe-routes.ts'
import { changed, openSpoiled, type ProxyName } from '../../kit/programs/recipes.ts'
import { askForWebSocket } from '../../kit/wire/websocket.ts'
import { openWire, type Wire } from '../../kit/wire/wire.ts'

const { describe, test } = needs('nginx', 'caddy', 'haproxy')

setDefaultTimeout(300_000)

const CHAPTER = readFileSync(join(import.meta.dir, '../../../docs/behind-a-proxy.md'), 'utf8')

/** The lines that the chapter gives for a proxy. */
function lines(language: string): string {
  const [, found] = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(CHAPTER) ?? []
  if (found === undefined) throw new Error(`the chapter has no lines for ${language}`)
  return found
}

/** Each recipe with those lines in it, which hand `/live` on. */
const HANDING: readonly (readonly [ProxyName, (text: string) => string])[] = [
  ['nginx', changed([/^(?= +location \/\.sallyport\/ \{)/, lines('nginx')])],
  ['Caddy', changed([/(?<=^app\.example\.com \{\n)/, lines('caddy')])],
  ['HAProxy', changed([/^(?= +use_backend app )/, lines('haproxy')])],
]

/** An answer in pieces ends with an empty one, a WebSocket with its connection. */
function hasEnded(wire: Wire): boolean {
  return wire.isClosed || wire.received.toString('latin1').endsWith('\r\n0\r\n\r\n')
}

describe.each([...HANDING])('what %s hands on to be carried by Sallyport', (name, spoil) => {
  test('has the port and the path by which its client came, whatever that states', async () => {
    await using stand = await openSpoiled(name, spoil)
    const { cookie } = await stand.gate.signIn(HOSTS.app, { sub: 'grace', groups: ['users'] })
    const more = { host: HOSTS.app }
    const told = async (lines: readonly string[]) => {
      const { saw } = await stand.ask('/live/x', [`Cookie: ${cookie}`, ...lines], more)
      const { 'x-forwarded-port': port, 'x-forwarded-prefix': prefix } = saw[0]?.fields ?? {}
      return { saw: saw.length, port, prefix }
    }
    const plain = await told([])
    expect(plain).toMatchObject({ saw: 1, prefix: undefined })
    expect(await told(['X-Forwarded-Port: 4711', 'X-Forwarded-Prefix: /stated'])).toEqual(plain)
    expect(await told(['X_Forwarded_Port: 4711', 'X_Forwarded_Prefix: /stated'])).toEqual(plain)
  })

  test('passes for whoever may, and ends with their session', async () => {
    await using stand = await openSpoiled(name, spoil)
    const host = `${HOSTS.app}:${stand.port}`
    expect((await stand.ask('/live/x')).status).toBe(401)
    for (const kind of ['events', 'socket'] as const) {
      const { cookie, sessionId } = await stand.gate.signIn(HOSTS.app, {
        sub: 'grace',
        preferred_username: 'grace',
        groups: ['users'],
      })
      const wire = await openWire(stand.port)
      try {
        const field = `Cookie: ${cookie}`
        const isOpen = kind === 'events' ? 'data: first' : '\r\n\r\n'
        await wire.send(
          kind === 'events'
            ? `GET /live/events HTTP/1.1\r\nHost: ${host}\r\n${field}\r\n\r\n`
            : askForWebSocket(host, '/live/socket', [field, `Origin: http://${host}`]),
        )
        const head = await wire.receive({ until: bytes => bytes.includes(isOpen) })
        expect([kind, head.status]).toEqual([kind, kind === 'events' ? 200 : 101])
        expect(stand.app.received.at(-1)?.fields['remote-user']).toBe('grace')
        await stand.gate.end(sessionId)
        await eventually(() => hasEnded(wire), `${kind} ends with the session`)
      } finally {
        wire.close()
      }
    }
  })
})
