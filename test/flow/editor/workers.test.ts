import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { childToml, FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { statusOf } from '../../kit/requests.ts'

const secret = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })

test('with several workers a save in one is in force in all, by a form of another, and only one of two is taken', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  const home = `auth.localhost:${port}`
  const toml = `workers = 2
edit = true
drain = "1s"
[providers.people]
users = "users.htpasswd"
[portals.home]
url = "http://${home}"
providers = ["people"]
admin_role = "admin"
insecure_cookies = true
roles.admin = { any = true }
[[routes]]
host = "app.localhost"
respond = { body = "in" }
allow = "public"
`
  await Bun.write(join(folder.path, 'users.htpasswd'), `ada:${secret}\n`)
  await using _child = await startChild({ command: FROM_SOURCE, folder: folder.path, port, toml })
  const browser = browserAt({ port }, home)
  const login = await browser.open(`http://${home}/.sallyport/edit`)
  const page = await browser.submit(login, { name: 'ada', password: 'secret' })
  expect(page.address.pathname).toBe('/.sallyport/edit')
  const form = { ...page.html.form().hidden, act: 'save' }
  const before = childToml(port, toml)
  const send = (text: string) => {
    const body = new URLSearchParams({ ...form, text }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded', connection: 'close' }
    return browser.visit(`http://${home}/.sallyport/edit`, { method: 'POST', body, headers, keepalive: false })
  }
  const texts = ['404', '410', '451', '503'].map(status => before.replace('{ body =', `{ status = ${status}, body =`))
  const answers = await Promise.all(texts.map(send))
  const statuses = answers.map(({ status }) => status)
  // What comes while another process writes is told so, and not kept waiting.
  expect(statuses.filter(status => status === 303)).toHaveLength(1)
  expect(statuses.filter(status => status === 409 || status === 503)).toHaveLength(3)
  const won = statuses.indexOf(303)
  expect(readFileSync(join(folder.path, 'routes.toml'), 'utf8')).toBe(texts[won] ?? '')
  const wanted = Number(['404', '410', '451', '503'][won])
  await eventually(async () => {
    const fields = { host: 'app.localhost', connection: 'close' }
    const asked = await Promise.all(Array.from({ length: 8 }, () => statusOf({ port }, '/', fields)))
    return asked.every(status => status === wanted)
  }, 'all workers answer by the saved file')
})
