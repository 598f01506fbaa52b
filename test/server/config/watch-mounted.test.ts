/** A file and its secrets in folders that a kubelet mounts: what Kubernetes makes of a ConfigMap and a Secret. */
import { expect, test } from 'bun:test'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { childToml, FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { statusOf } from '../../kit/requests.ts'

const HOST = 'app.example.com'

/** A folder as a kubelet mounts a ConfigMap or a Secret: its names lead through one link, which another takes the place of. */
function mountAt(folder: string, names: readonly string[]) {
  let turn = 0
  mkdirSync(folder, { recursive: true })
  const swap = (files: Readonly<Record<string, string>>) => {
    const next = `..2026_11_29_${++turn}`
    mkdirSync(join(folder, next))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, next, name), text)
    symlinkSync(next, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    if (turn > 1) rmSync(join(folder, `..2026_11_29_${turn - 1}`), { recursive: true })
  }
  swap({})
  for (const name of names) symlinkSync(`..data/${name}`, join(folder, name))
  return swap
}

test('a ConfigMap and a Secret that a kubelet swaps are seen without a restart, one with mistakes is not taken over', async () => {
  using folder = temporaryFolder()
  const [port, admin] = [await freePort(), await freePort()]
  const swapFile = mountAt(folder.path, ['routes.toml'])
  const secrets = join(folder.path, 'secrets')
  const swapSecret = mountAt(secrets, ['client-secret'])
  const tomlOf = (body: string) => `admin = "127.0.0.1:${admin}"
[providers.id]
issuer = "http://127.0.0.1:9"
client_id = "gate"
client_secret = "\${file:${secrets}/client-secret}"
[[routes]]
host = "${HOST}"
respond = { status = ${body} }
allow = "public"
`
  swapSecret({ 'client-secret': 'the first one' })
  await using child = await startChild({ command: FROM_SOURCE, folder: folder.path, port, toml: tomlOf('200') })
  const status = () => statusOf({ port }, '/', { host: HOST })
  const fingerprint = async () => {
    const answer = await fetch(`http://127.0.0.1:${admin}/config`, { keepalive: false })
    return ((await answer.json()) as { readonly fingerprint: string }).fingerprint
  }
  expect(await status()).toBe(200)
  for (const code of ['201', '202', '203']) {
    swapFile({ 'routes.toml': childToml(port, tomlOf(code)) })
    await eventually(async () => (await status()) === Number(code), `the answer is ${code}`)
  }
  swapFile({ 'routes.toml': childToml(port, `${tomlOf('204')}nonsense = 1\n`) })
  await eventually(() => child.output().includes('nonsense'), 'the mistake is logged')
  expect(await status()).toBe(203)
  swapFile({ 'routes.toml': childToml(port, tomlOf('204')) })
  await eventually(async () => (await status()) === 204, 'the next one is taken over')
  const before = await fingerprint()
  swapSecret({ 'client-secret': 'the second one' })
  await eventually(async () => (await fingerprint()) !== before, 'the other secret is in use')
  expect(await status()).toBe(204)
})
