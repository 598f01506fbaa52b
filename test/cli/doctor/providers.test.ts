import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startKeycloak } from '../../kit/provider/keycloak.ts'
import { EVERYONE, type KnownClient, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const PORTAL = 'http://auth.localhost:8480'
const CALLBACK = `${PORTAL}/.sallyport/callback`
const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('ok')))

/** What doctor says of a provider, for a file with these lines in its tables. */
async function examine(
  client: KnownClient,
  { provider = '', portal = EVERYONE }: { readonly provider?: string; readonly portal?: string } = {},
): Promise<Ran> {
  using folder = temporaryFolder()
  const toml = [
    '[server]\nlisten = ["127.0.0.1:0"]\n[sessions]\nstore = "sqlite::memory:"\n',
    providerTable(client, provider),
    portalTable(`url = "${PORTAL}"\n${portal}`),
    routeTo(upstream, 'app.localhost', 'portal = "home"\nallow = ["user"]'),
  ]
  writeFileSync(join(folder.path, 'routes.toml'), toml.join('\n'), { mode: 0o600 })
  return runIn(folder.path, io => runDoctor([], io, commandPorts(io)))
}

describe('doctor at Keycloak', () => {
  test.each([EVERYONE, 'roles.user = { emails = ["ada@example.com"] }'])(
    'never says that all e-mail addresses count, and how to see whether the claim is there: %s',
    async portal => {
      await using there = startKeycloak({ redirectUris: [CALLBACK] })
      const { code, out } = await examine(there, { portal })
      expect(out).not.toContain('trusted"')
      expect(out).toContain('  note  does not list the claim email_verified, and may send it all the same')
      expect(out).toMatch(/hint: .*\/\.sallyport\/me/)
      expect(code).toBe(0)
    },
  )
})
