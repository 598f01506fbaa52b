import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { absent, isProgramHere } from '../needs.ts'
import { freePort } from './child.ts'
import { runToEnd } from './ended.ts'
import { type Front, startNginx, startProgram } from './front.ts'

const SERVICES = join(import.meta.dir, '../../../docs/recipes/services')

/** The tables of an application's recipe, for its host and where it really answers. */
export function serviceRoutes(name: string, host: string, { port }: { readonly port: number }): string {
  return recipeOf(name)
    .replaceAll('app.example.com', host)
    .replace(/http:\/\/app:\d+/g, `http://127.0.0.1:${port}`)
}

function recipeOf(name: string): string {
  return readFileSync(join(SERVICES, `${name}.toml`), 'utf8')
}

/**
 * What a recipe says to set in the application: its lines that are set in, each without what is explained beside it, so that the
 * application runs as somebody who copied them has it.
 */
function serviceSettings(name: string): string {
  const lines = recipeOf(name).split('\n')
  return lines.flatMap(line => /^# {3}(\s*\S.*?)(?: {3,}\S.*)?$/.exec(line)?.[1] ?? []).join('\n')
}

/** Syncthing on its own address, as it is by itself; it talks to no other machine. */
export async function startSyncthing(folder: string): Promise<Front> {
  if (!isProgramHere('syncthing')) return absent<Front>('syncthing', { port: await freePort() })
  const port = await freePort()
  const home = join(folder, 'syncthing')
  const env = { HOME: folder, STNOUPGRADE: '1', STNODEFAULTFOLDER: '1' }
  const made = await runToEnd(['syncthing', 'generate', '--home', home, '--no-default-folder'], {
    env: { PATH: process.env.PATH, ...env },
  })
  if (made.code !== 0) throw new Error(made.stderr)
  const file = join(home, 'config.xml')
  const said: Readonly<Record<string, string>> = {
    globalAnnounceEnabled: 'false',
    localAnnounceEnabled: 'false',
    relaysEnabled: 'false',
    natEnabled: 'false',
    crashReportingEnabled: 'false',
    startBrowser: 'false',
    listenAddress: 'tcp://127.0.0.1:0',
    urAccepted: '-1',
  }
  const config = Object.entries(said).reduce(
    (text, [key, value]) => text.replace(new RegExp(`<${key}>[^<]*<`), `<${key}>${value}<`),
    readFileSync(file, 'utf8'),
  )
  writeFileSync(file, config)
  const command = ['syncthing', 'serve', '--no-browser', '--no-restart', '--home', home]
  return startProgram([...command, `--gui-address=http://127.0.0.1:${port}`], port, env)
}

/** Transmission's daemon with the settings of its recipe, without peers. */
export async function startTransmission(folder: string): Promise<Front> {
  const port = await freePort()
  const home = join(folder, 'transmission')
  mkdirSync(home, { recursive: true })
  const settings: unknown = JSON.parse(`{ ${serviceSettings('transmission').trim().replace(/,$/, '')} }`)
  const quiet = { 'dht-enabled': false, 'lpd-enabled': false, 'pex-enabled': false, 'utp-enabled': false }
  const place = { 'rpc-port': port, 'rpc-bind-address': '127.0.0.1', 'peer-port': await freePort() }
  const own = { 'download-dir': home, 'bind-address-ipv4': '127.0.0.1', 'port-forwarding-enabled': false }
  writeFileSync(join(home, 'settings.json'), JSON.stringify({ ...(settings as object), ...quiet, ...place, ...own }))
  return startProgram(['transmission-daemon', '--foreground', '--config-dir', home], port, { HOME: folder })
}

/** Radicale with the settings of its recipe. */
export async function startRadicale(folder: string): Promise<Front> {
  const port = await freePort()
  const file = join(folder, 'radicale.conf')
  const place = `[server]\nhosts = 127.0.0.1:${port}\n[storage]\nfilesystem_folder = ${join(folder, 'collections')}\n`
  writeFileSync(file, `${serviceSettings('radicale')}\n${place}`)
  return startProgram(['radicale', '--config', file], port, { HOME: folder })
}

/** aria2 with the settings of its recipe, and with this secret. What it fetches lands in `folder`. */
export async function startAria2(folder: string, secret: string): Promise<Front> {
  const port = await freePort()
  const file = join(folder, 'aria2.conf')
  const [settings = ''] = serviceSettings('aria2').split('[[routes]]')
  const own = settings
    .replace('rpc-secret=...', `rpc-secret=${secret}`)
    .replace('rpc-listen-all=true', 'rpc-listen-all=false')
  writeFileSync(file, `${own}rpc-listen-port=${port}\ndir=${folder}\n`)
  return startProgram(['aria2c', `--conf-path=${file}`], port, { HOME: folder })
}

/** Mosquitto with the settings of its recipe. */
export async function startMosquitto(folder: string): Promise<Front> {
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  const settings = serviceSettings('mosquitto').replace('listener 1883', `listener ${await freePort()}`)
  writeFileSync(file, settings.replace('listener 9001', `listener ${port} 127.0.0.1`))
  return startProgram(['mosquitto', '-c', file], port, { HOME: folder })
}

/** git http-backend by nginx and fcgiwrap as the recipe has them, with bare repositories of these names below `folder`/git. */
export async function startGitHttp(folder: string, repositories: readonly string[]): Promise<Front> {
  if (!isProgramHere('fcgiwrap')) return absent<Front>('fcgiwrap', { port: await freePort() })
  const root = join(folder, 'git')
  for (const name of repositories) await makeRepository(join(root, name))
  return startCgi(folder, 'git-http', site => site.replace('/srv/git', root))
}

/** cgit by nginx and fcgiwrap as the recipe has them, with repositories of these names, each of one commit with a file README. */
export async function startCgit(folder: string, repositories: readonly string[]): Promise<Front> {
  if (!isProgramHere('cgit')) return absent<Front>('cgit', { port: await freePort() })
  const root = join(folder, 'git')
  const work = join(folder, 'work')
  const git = async (...args: readonly string[]) => {
    const done = await runToEnd(['git', '-C', work, '-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args])
    if (done.code !== 0) throw new Error(done.stderr)
  }
  mkdirSync(work)
  await git('init', '--quiet', '--initial-branch=main')
  writeFileSync(join(work, 'README'), 'hello')
  await git('add', '-A')
  await git('commit', '--quiet', '-m', 'first')
  for (const name of repositories) {
    await makeRepository(join(root, name))
    await git('push', '--quiet', join(root, name), 'HEAD')
  }
  const file = join(folder, 'cgitrc')
  return startCgi(folder, 'cgit', settings => {
    // The server's block comes first, and then lines of cgitrc, which go behind those that Debian writes.
    const end = settings.indexOf('\n}\n') + 3
    const debians = 'css=/cgit-css/cgit.css\nlogo=/cgit-css/cgit.png\n'
    writeFileSync(file, debians + settings.slice(end).replace('/srv/git', root))
    return settings.slice(0, end).replace('fastcgi_param HTTPS', `fastcgi_param CGIT_CONFIG ${file};\n$&`)
  })
}

async function makeRepository(path: string): Promise<void> {
  const made = await runToEnd(['git', 'init', '--quiet', '--bare', '--initial-branch=main', path])
  if (made.code !== 0) throw new Error(made.stderr)
}

/** A program of CGI by nginx and fcgiwrap, with the settings of its recipe after `place` put the test's own paths in. */
async function startCgi(folder: string, recipe: string, place: (settings: string) => string): Promise<Front> {
  const port = await freePort()
  const socket = join(folder, 'fcgiwrap.socket')
  const wrap = Bun.spawn(['fcgiwrap', '-s', `unix:${socket}`], {
    // git serves no repository of somebody else, and asks HOME whose it is.
    env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: folder },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
  })
  await eventually(() => {
    try {
      chmodSync(socket, 0o666)
      return true
    } catch {
      return false
    }
  }, 'fcgiwrap listens')
  const site = place(serviceSettings(recipe))
    .replace('listen 8081;', `listen 127.0.0.1:${port};`)
    .replace('/run/fcgiwrap.socket', socket)
  const nginx = await startNginx(folder, port, site)
  return {
    port,
    async [Symbol.asyncDispose]() {
      await nginx[Symbol.asyncDispose]()
      wrap.kill()
      await wrap.exited
    },
  }
}

/** Apache's mod_dav with the settings of its recipe, for the files below `folder`/dav, which is in a folder of the test alone. */
export async function startWebdav(folder: string): Promise<Front> {
  if (!isProgramHere('apache2')) return absent<Front>('apache2', { port: await freePort() })
  const port = await freePort()
  const root = join(folder, 'dav')
  mkdirSync(root, { recursive: true })
  // Apache started by root is another user by the time that it writes.
  chmodSync(join(folder, '..'), 0o711)
  for (const path of [folder, root]) chmodSync(path, 0o777)
  const modules = ['mpm_event', 'authz_core', 'dav', 'dav_fs', 'dav_lock', 'autoindex']
  const load = modules.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  const site = serviceSettings('webdav')
    .replace('Listen 8081', `Listen 127.0.0.1:${port}`)
    .replace('*:8081', `127.0.0.1:${port}`)
    .replaceAll('/srv/dav', root)
    .replace('/var/lib/apache2/DavLock', join(folder, 'DavLock'))
  const file = join(folder, 'apache.conf')
  const own = [`ServerName localhost`, `PidFile ${folder}/apache.pid`, `ErrorLog ${folder}/apache.log`]
  writeFileSync(file, [...load, ...own, 'User www-data', 'Group www-data', site, ''].join('\n'))
  return startProgram(['apache2', '-f', file, '-DFOREGROUND'], port, {})
}
