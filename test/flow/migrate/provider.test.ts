import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { serveImported, startSurroundings } from '../../kit/recorded.ts'

const keep = untilTheEnd()
const surroundings = keep(await startSurroundings())
const HOST = 'app.example.test'
const PORT = 9720
const CONFIG = readFileSync(join(import.meta.dir, '../../recorded/oauth2-proxy/o10-claims.cfg'), 'utf8')
surroundings.provider.allowRedirect(`http://${HOST}:${PORT}/oauth2/callback`)

/** What somebody of the recordings comes to at the application, in what is made of this file. */
async function visit(config: string, who: string) {
  await using gate = await serveImported(config, surroundings)
  const page = await browserAt(gate, `${HOST}:${PORT}`).signIn(`http://${HOST}:${PORT}/x`, who)
  return { status: page.response.status, text: page.text, log: gate.told('sign_in.failed') }
}

describe('e-mail addresses that nobody verified, after a move from oauth2-proxy', () => {
  test('are refused as there, where it answered 500, and page and log say why', async () => {
    const { status, text, log } = await visit(CONFIG, 'eve')
    expect(status).toBe(403)
    expect(text).toContain('eve@corp.test is not verified at ')
    expect(JSON.parse(log[0] ?? '{}')).toMatchObject({
      alone: expect.stringContaining('eve@corp.test is not verified at '),
      hint: expect.stringContaining('emails = "trusted" in [providers.oidc]'),
    })
  })

  test('count where they did', async () => {
    const trusting = `${CONFIG}insecure_oidc_allow_unverified_email=true\n`
    expect(await visit(trusting, 'eve')).toMatchObject({ status: 200, text: 'here' })
  })
})

describe('claims of other names, after a move from oauth2-proxy', () => {
  const nested = CONFIG.replace('oidc_groups_claim="groups"', 'oidc_groups_claim="realm_access.roles"')
  const asking = `${nested}allowed_groups=["admins"]\n`

  test('groups in a claim of a claim let in whom they name, and nobody whose groups are elsewhere', async () => {
    expect(asking).toContain('realm_access.roles')
    expect((await visit(asking, 'kay')).status).toBe(200)
    expect((await visit(asking, 'alice')).status).toBe(403)
  })

  test('an address in another claim is the one that counts', async () => {
    const other = CONFIG.replace('user_id_claim="email"', 'oidc_email_claim="preferred_username"').replace(
      'email_domains=["*"]',
      'email_domains=["corp.test"]',
    )
    expect((await visit(other, 'alice')).status).toBe(403)
    expect((await visit(CONFIG.replace('user_id_claim="email"', 'oidc_email_claim="name"'), 'carol')).status).toBe(200)
  })
})
