import { readFileSync, writeFileSync } from 'node:fs'
import { type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { providerTable, SILENT } from '../../kit/toml.ts'

export const HOME = 'auth.test'
export const APP = 'app.test'
export const FILE = '/.sallyport/file'
export const EDIT = '/.sallyport/edit'

/** A file with a portal that has admins, and a route for users. */
export function fileWith(more = '', portal = ''): string {
  return `${providerTable(SILENT)}
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["id"]
admin_role = "admin"
${portal}
[portals.home.roles]
user = { any = true }
admin = { groups = ["admins"] }
[[routes]]
host = "${APP}"
respond = { body = "in" }
portal = "home"
allow = ["user"]
${more}`
}

export const ADMIN = { sub: 'root', groups: ['admins'] }

/** Replaces text in the file on disk, as an editor would. */
export function change(gate: Gate, from: string | RegExp, to: string): void {
  writeFileSync(gate.configPath, readFileSync(gate.configPath, 'utf8').replace(from, to))
}

export function start(toml = fileWith(), options: GateOptions = {}): Promise<Gate> {
  return startGate(toml, options)
}
