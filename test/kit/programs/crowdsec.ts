import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { temporaryFolder } from '../folder.ts'
import { freePort } from './child.ts'

/** Where `.ci/setup` unpacks Debian's package: to install it is to register the machine at CrowdSec. */
const UNPACKED = '/opt/crowdsec'

const DOCS = resolve(import.meta.dir, '../../../docs/logs')

/** Whom CrowdSec itself would ban for these lines, by our parser and scenario. */
export async function runCrowdsec(lines: string): Promise<readonly string[]> {
  using folder = temporaryFolder()
  const home = folder.path
  const own = (path: string) => join(home, path)
  const hub = join(UNPACKED, 'usr/share/crowdsec/hub')
  for (const path of ['etc/parsers/s00-raw', 'etc/parsers/s01-parse', 'etc/parsers/s02-enrich', 'etc/scenarios'])
    mkdirSync(own(path), { recursive: true })
  for (const path of ['etc/postoverflows', 'etc/patterns', 'etc/notifications', 'hub', 'data', 'plugins'])
    mkdirSync(own(path))
  // The other half of the first file is about syslog, and takes all patterns that there are.
  const raw = readFileSync(join(hub, 'parsers/s00-raw/crowdsecurity/syslog-logs.yaml'), 'utf8')
  writeFileSync(own('etc/parsers/s00-raw/raw.yaml'), raw.split('---').find(part => part.includes('non-syslog')) ?? '')
  for (const name of ['dateparse-enrich', 'http-logs'])
    cpSync(join(hub, `parsers/s02-enrich/crowdsecurity/${name}.yaml`), own(`etc/parsers/s02-enrich/${name}.yaml`))
  cpSync(join(UNPACKED, 'etc/crowdsec/patterns/paths'), own('etc/patterns/paths'))
  cpSync(join(UNPACKED, 'etc/crowdsec/profiles.yaml'), own('profiles.yaml'))
  cpSync(join(DOCS, 'crowdsec-parser.yaml'), own('etc/parsers/s01-parse/sallyport-logs.yaml'))
  cpSync(join(DOCS, 'crowdsec-scenario.yaml'), own('etc/scenarios/sallyport-bf.yaml'))
  writeFileSync(own('hub/.index.json'), '{"parsers":{},"scenarios":{},"postoverflows":{},"collections":{}}')
  writeFileSync(own('etc/simulation.yaml'), 'simulation: off\n')
  writeFileSync(own('acquis.yaml'), '')
  writeFileSync(own('a.log'), lines)
  writeFileSync(
    own('config.yaml'),
    `common: { daemonize: false, log_media: stdout, log_level: info, working_dir: . }
config_paths: { config_dir: ${home}/etc, data_dir: ${home}/data, simulation_path: ${home}/etc/simulation.yaml, hub_dir: ${home}/hub, index_path: ${home}/hub/.index.json, notification_dir: ${home}/etc/notifications, plugin_dir: ${home}/plugins }
crowdsec_service: { acquisition_path: ${home}/acquis.yaml, parser_routines: 1 }
db_config: { type: sqlite, db_path: ${home}/data/crowdsec.db }
api:
  client: { credentials_path: ${home}/credentials.yaml }
  server: { listen_uri: "127.0.0.1:${await freePort()}", profiles_path: ${home}/profiles.yaml, log_level: info }
prometheus: { enabled: false }
`,
  )
  await run(
    'cscli',
    ['machines', 'add', 'gate', '--password', 'password', '--force', '-f', own('credentials.yaml')],
    home,
  )
  const said = await run('crowdsec', ['-dsn', `file://${own('a.log')}`, '-type', 'sallyport', '-no-capi'], home)
  return [...said.matchAll(/Ip (\S+) performed 'sallyport\/sallyport-bf'/g)].map(([, ip = '']) => ip)
}

async function run(program: string, options: readonly string[], home: string): Promise<string> {
  const command = [join(UNPACKED, 'usr/bin', program), '-c', join(home, 'config.yaml'), ...options]
  const ran = Bun.spawn(command, { cwd: home, stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([ran.stdout.text(), ran.stderr.text()])
  if ((await ran.exited) !== 0) throw new Error(`${program}: ${out}${err}`)
  return out + err
}
