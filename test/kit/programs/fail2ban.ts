import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { temporaryFolder } from '../folder.ts'

const FILTER = resolve(import.meta.dir, '../../../docs/logs/fail2ban-filter.conf')

/** Whom our filter finds in these lines, as fail2ban itself reads them, on a machine that is not in UTC. */
export async function runFail2ban(
  lines: string,
): Promise<readonly { readonly address: string; readonly atS: number }[]> {
  using folder = temporaryFolder()
  const log = join(folder.path, 'a.log')
  writeFileSync(log, lines)
  const env = { ...process.env, TZ: 'America/New_York' }
  const ran = Bun.spawn(['fail2ban-regex', '-o', 'row', log, FILTER], { env, stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([ran.stdout.text(), ran.stderr.text()])
  if ((await ran.exited) > 1 || err.includes('ERROR')) throw new Error(out + err)
  return [...out.matchAll(/^\['([^']+)',\s+([\d.]+),/gm)].map(([, address = '', at]) => ({ address, atS: Number(at) }))
}
