import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'
import type { Authority } from '../certificates.ts'
import { temporaryFolder } from '../folder.ts'
import { absent, isProgramHere } from '../needs.ts'
import { MAX_WAIT_MS, WHOLE } from './chromium.ts'

/** A profile of a real Chromium that binds sessions to its device. */
export interface BoundChromium extends AsyncDisposable {
  readonly context: BrowserContext
}

/**
 * A Chromium with a profile of its own for hosts below `example.test`, at 127.0.0.1, that trusts an authority, and whose keys are in
 * software. Without any of these it binds nothing, silently. `quota`: as it is, six signings in nine minutes for all hosts of a domain;
 * without, as many as a test needs.
 */
export async function openBoundChromium(authority: Authority, { quota = false } = {}): Promise<BoundChromium> {
  for (const program of ['chromium', 'certutil'] as const) {
    if (!isProgramHere(program)) return absent<BoundChromium>(program)
  }
  const folder = temporaryFolder()
  const home = join(folder.path, 'home')
  const database = `sql:${join(home, '.pki/nssdb')}`
  mkdirSync(join(home, '.pki/nssdb'), { recursive: true })
  const pem = join(folder.path, 'ca.pem')
  writeFileSync(pem, authority.cert)
  certutil('-d', database, '-N', '--empty-password')
  certutil('-d', database, '-A', '-t', 'C,,', '-n', 'test', '-i', pem)
  const features = [
    quota ? 'DeviceBoundSessions' : 'DeviceBoundSessions:RefreshQuota/false',
    'EnableBoundSessionCredentialsSoftwareKeysForManualTesting',
  ]
  const context = await chromium.launchPersistentContext(join(folder.path, 'profile'), {
    executablePath: WHOLE,
    // The other kind of headless has no network stack of Chrome's own, and binds nothing.
    headless: false,
    env: { PATH: process.env.PATH ?? '', HOME: home, XDG_CONFIG_HOME: join(home, '.config') },
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP *.example.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      `--enable-features=${features.join(',')}`,
    ],
  })
  context.setDefaultTimeout(MAX_WAIT_MS)
  return {
    context,
    async [Symbol.asyncDispose]() {
      await context.close()
      folder[Symbol.dispose]()
    },
  }
}

function certutil(...args: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['certutil', ...args], { stdin: 'ignore' })
  if (exitCode !== 0) throw new Error(`certutil ${args.join(' ')} failed:\n${stderr}`)
}
