import { describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { trailOf } from '../../kit/audit.ts'
import { createToken } from '../../kit/commands.ts'
import { bearer, FORM, PAGE, SCRIPT } from '../../kit/fields.ts'
import { htmlPage } from '../../kit/html.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { editable, editor, onDisk, STEP } from './editing.ts'
import { ADMIN, APP, change, EDIT, fileWith, HOME, start } from './file.ts'

test('an admin changes the file in a form: what changes is shown first, then it is saved and in force, secrets as they were', async () => {
  await using gate = await editable()
  await gate.signIn(APP, { sub: 'ada' })
  const before = onDisk(gate)
  chmodSync(gate.configPath, 0o640)
  const root = await editor(gate)
  const opened = await root.open()
  expect(opened.status).toBe(200)
  expect(opened.html).not.toContain('gate-secret')
  expect(opened.answer.headers.get('content-security-policy')).toContain("connect-src 'self'")
  const text = opened.form.text.replace('allow = ["user"]', 'allow = ["admin"]').replaceAll('\n', '\r\n')
  const review = await root.send({ ...opened.form, text, act: 'review' })
  expect(review.status).toBe(200)
  const shown = htmlPage(review.html)
  expect(shown.text).toContain(`~ ${APP}/: allow`)
  expect(shown.texts('h3')).toEqual(['ada'])
  expect(shown.text).toContain(`loses ${APP}/`)
  expect(shown.text).not.toContain('You would lose')
  expect(onDisk(gate)).toBe(before)
  const saved = await root.send({ ...review.form, act: 'save' })
  expect([saved.status, saved.answer.headers.get('location')]).toEqual([303, '/.sallyport/file?saved=1'])
  expect(onDisk(gate)).toBe(before.replace('allow = ["user"]', 'allow = ["admin"]'))
  expect(statSync(gate.configPath).mode & 0o777).toBe(0o640)
  const old = join(gate.folder, '.routes.toml.old')
  expect([readFileSync(old, 'utf8'), statSync(old).mode & 0o777]).toEqual([before, 0o640])
  expect(existsSync(join(gate.folder, '.routes.toml.saving'))).toBe(false)
  // It is in force by the time that the save is answered.
  const { cookie } = await gate.signIn(APP, { sub: 'ada' })
  expect(await statusOf(gate, '/', { host: APP, cookie })).toBe(403)
  const [told] = await trailOf(gate, 'config.saved')
  expect(told).toMatchObject({ user: 'root', file: gate.configPath, portal: 'home' })
  expect([...gate.log, ...gate.access].filter(line => /gate-secret|allow = /.test(line))).toEqual([])
})

test('a mark that turns text around stays in the file as it is, where something else is changed', async () => {
  await using gate = await editable(`${STEP}${fileWith()}# Ada\u200f and "\u2067Eve\u2069"\n`)
  const before = onDisk(gate)
  const root = await editor(gate)
  const { form } = await root.open()
  const review = await root.send({ ...form, text: form.text.replace('"in"', '"out"'), act: 'review' })
  expect(htmlPage(review.html).texts('.added')).toEqual(['+ respond = { body = "out" }'])
  expect((await root.send({ ...review.form, act: 'save' })).status).toBe(303)
  expect(onDisk(gate)).toBe(before.replace('"in"', '"out"'))
})

test('two editors never overwrite each other: the second sees both, and nothing is written', async () => {
  await using gate = await editable()
  const [one, other] = [await editor(gate), await editor(gate, { ...ADMIN, sub: 'other' })]
  const [first, second] = [await one.open(), await other.open()]
  await one.send({ ...first.form, text: first.form.text.replace('"in"', '"first"'), act: 'save' })
  const mine = second.form.text.replace('"in"', '"second"')
  for (const act of ['check', 'review', 'save']) {
    const refused = await other.send({ ...second.form, text: mine, act })
    expect([act, refused.status]).toEqual([act, 409])
    const page = htmlPage(refused.html)
    expect([page.texts('.removed'), page.texts('.added')]).toEqual([
      ['- respond = { body = "first" }'],
      ['+ respond = { body = "second" }'],
    ])
    expect(refused.form.text).toBe(mine)
  }
  expect(onDisk(gate)).toContain('"first"')
  // An editor on the machine counts like one in a browser.
  const third = await one.open()
  change(gate, '"first"', '"by hand"')
  expect((await one.send({ ...third.form, act: 'save' })).status).toBe(409)
  expect((await trailOf(gate, 'config.save_refused')).map(({ reason }) => reason)).toEqual([
    'changed meanwhile',
    'changed meanwhile',
  ])
})

test('saves of one version at the same time: one is written, whole', async () => {
  await using gate = await editable()
  const root = await editor(gate)
  const { form } = await root.open()
  const texts = Array.from({ length: 6 }, (_, index) => form.text.replace('"in"', `"in ${index}"`))
  const all = await Promise.all(texts.map(text => root.send({ ...form, text, act: 'save' })))
  const statuses = all.map(({ status }) => status)
  expect(statuses.filter(status => status === 303)).toHaveLength(1)
  expect(statuses.filter(status => status === 409)).toHaveLength(5)
  const won = texts[statuses.indexOf(303)] ?? ''
  expect((await root.open()).form.text).toBe(won)
})

test('a mistake is said with its line, to a script as JSON, and nothing is written; neither is what breaks an expectation', async () => {
  await using gate = await editable(
    `${STEP}${fileWith(`[[expect]]\naddress = "http://${APP}/"\nas = { groups = ["staff"] }\nverdict = "allow"\n`)}`,
  )
  const before = onDisk(gate)
  const root = await editor(gate)
  const { form } = await root.open()
  const wrong = form.text.replace('allow = ["user"]', 'alow = ["user"]')
  const said = await root.send({ ...form, text: wrong, act: 'check' }, SCRIPT)
  expect([said.status, JSON.parse(said.html)]).toMatchObject([200, { kind: 'wrong' }])
  expect(said.html).toMatch(/line \d+: unknown key/)
  const broken = form.text.replace('allow = ["user"]', 'allow = ["admin"]')
  for (const text of [wrong, broken, `${form.text}\n[[`]) {
    for (const act of ['review', 'save']) expect((await root.send({ ...form, text, act })).status).toBe(422)
  }
  expect(htmlPage((await root.send({ ...form, text: broken, act: 'save' })).html).text).toMatch(
    /gets "deny", not "allow"/,
  )
  expect(onDisk(gate)).toBe(before)
  const fine = JSON.parse((await root.send({ ...form, act: 'check' }, SCRIPT)).html)
  expect(fine).toMatchObject({ kind: 'fine' })
})

test('a secret that is not shown goes nowhere but to its key, is said in no message, and can be replaced', async () => {
  await using gate = await editable()
  const root = await editor(gate)
  const { form } = await root.open()
  const mark = /\$\{kept:[\w-]{8}\}/.exec(form.text)?.[0] ?? ''
  for (const line of [`balance = "${mark}"`, `name = "${mark}"`, `[["${mark}"`, `# x = ${mark}`, `"${mark}" = 1`]) {
    for (const act of ['check', 'review', 'save']) {
      const { status, html } = await root.send({ ...form, text: `${form.text}\n${line}`, act }, FORM)
      expect([line, act, status]).toEqual([line, act, act === 'check' ? 200 : 422])
      expect(html).not.toContain('gate-secret')
    }
  }
  const text = form.text.replace(mark, 'planted-other')
  expect((await root.send({ ...form, text, act: 'save' })).status).toBe(303)
  expect(onDisk(gate)).toContain('client_secret = "planted-other"')
})

describe('whoever would lock themselves out', () => {
  test.each([
    ['role', (text: string) => text.replace('["admins"]', '["others"]')],
    [
      'role',
      (text: string) =>
        text
          .replace('admin_role = "admin"', 'admin_role = "user"')
          .replace('{ any = true }', '{ groups = ["others"] }'),
    ],
    ['edit', (text: string) => text.replace('edit = true', 'edit = false')],
  ] as const)('is warned, and has to say it twice: %s', async (lockout, turn) => {
    await using gate = await editable()
    const root = await editor(gate)
    const { form } = await root.open()
    const text = turn(form.text)
    const review = await root.send({ ...form, text, act: 'review' })
    const page = htmlPage(review.html)
    expect(page.text).toMatch(/You would lose the admin role|No one could edit the file/)
    expect(page.has('[name="sure"]')).toBe(true)
    const json = JSON.parse((await root.send({ ...form, text, act: 'save' }, SCRIPT)).html)
    expect(json).toMatchObject({ kind: 'locked-out', lockouts: [lockout] })
    expect((await root.send({ ...review.form, act: 'save' })).status).toBe(200)
    expect(onDisk(gate)).toContain('edit = true')
    expect((await trailOf(gate, 'config.save_refused')).at(0)).toMatchObject({ reason: 'locks out' })
    expect((await root.send({ ...review.form, act: 'save', sure: 'yes' })).status).toBe(303)
    expect([403, 404]).toContain((await root.open()).status)
  })
})

describe('nobody else gets at it', () => {
  test('where edit is off, not even to look', async () => {
    await using gate = await editable(undefined, '')
    const root = await editor(gate)
    expect((await root.open()).status).toBe(404)
    expect((await root.send({ act: 'save', text: 'x' })).status).toBe(404)
  })

  test('a form of another site, host, session or none of ours changes nothing, whatever its browser says', async () => {
    await using gate = await editable()
    const before = onDisk(gate)
    const [root, other] = [await editor(gate), await editor(gate, { ...ADMIN, sub: 'other' })]
    const { form } = await root.open()
    const save = { ...form, text: form.text.replace('"in"', '"evil"'), act: 'save' }
    for (const site of ['cross-site', 'same-site', 'none']) {
      expect((await root.send(save, { ...FORM, 'sec-fetch-site': site })).status).toBe(403)
    }
    const theirs = (await other.open()).form
    for (const base of [theirs.base, '', `${form.base.slice(0, -2)}AA`, form.proof]) {
      expect((await root.send({ ...save, base })).status).toBe(403)
    }
    // By plain HTTP a browser does not say where a form is from; where it does, the proof counts all the same.
    for (const fields of [{ ...FORM, 'sec-fetch-site': '' }, FORM])
      for (const proof of [theirs.proof, '', form.base])
        expect((await root.send({ ...save, proof }, fields)).status).toBe(403)
    // An application of another host has the cookie of its own host at most.
    const { cookie } = await gate.signIn(APP, ADMIN)
    const sent = await fetchFrom(
      gate,
      EDIT,
      { ...FORM, host: APP, cookie },
      { method: 'POST', body: new URLSearchParams(save) },
    )
    expect(sent.status).toBe(403)
    const away = await fetchFrom(gate, EDIT, { ...PAGE, host: APP, cookie })
    expect([away.status, away.headers.get('location')]).toEqual([302, `http://${HOME}${EDIT}`])
    expect(onDisk(gate)).toBe(before)
  })

  test('no user, no stranger, no token, no session that has ended', async () => {
    await using gate = await editable()
    const { form } = await (await editor(gate)).open()
    const ada = await editor(gate, { sub: 'ada' })
    expect([(await ada.open()).status, (await ada.send({ ...form, act: 'save' })).status]).toEqual([403, 403])
    const program = { host: HOME, accept: 'application/json', authorization: 'Bearer sallyport_x' }
    expect(await statusOf(gate, EDIT, program)).toBe(401)
    const { cookie, sessionId } = await gate.signIn(HOME, ADMIN)
    await gate.end(sessionId)
    expect(await statusOf(gate, EDIT, { host: HOME, cookie, accept: 'application/json' })).toBe(401)
  })

  test('no guest, no token of an admin, and nobody where proxies ask', async () => {
    const toml = STEP + fileWith('tokens = true', 'personal_tokens = true')
    await using gate = await start(toml, {
      server: 'edit = true\ntrusted_proxies = "127.0.0.1"\nverify = "127.0.0.1:0"',
    })
    const root = await editor(gate)
    const { form } = await root.open()
    const { token } = await createToken(gate, ['--roles', 'admin'])
    expect(await statusOf(gate, EDIT, { host: HOME, accept: 'application/json', ...bearer(token) })).toBe(401)
    const at = { port: gate.verifyPort }
    const body = new URLSearchParams({ ...form, act: 'save' })
    const sent = await fetchFrom(at, EDIT, { ...FORM, ...root.headers }, { method: 'POST', body })
    expect([(await fetchFrom(at, EDIT, { ...PAGE, ...root.headers })).status, sent.status]).toEqual([404, 404])
    for (const page of ['edit', 'file']) {
      const question = {
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': `/.sallyport/${page}`,
        'x-forwarded-host': HOME,
      }
      const answer = await fetchFrom(at, '/.sallyport/verify', { ...question, cookie: root.headers.cookie })
      expect((await answer.text()).includes('kept')).toBe(false)
    }
  })

  test('a sign-in of long ago is asked for anew, and what was written is not lost', async () => {
    let nowMs = Date.now()
    await using gate = await start(STEP + fileWith(), { server: 'edit = true', ports: { now: () => nowMs } })
    const root = await editor(gate)
    const { form } = await root.open()
    nowMs += 31 * 60_000
    const again = await root.open()
    expect(again.status).toBe(302)
    expect(again.answer.headers.get('location')).toMatch(
      /^\/\.sallyport\/login\?max_age=1800&provider=id&return=%2F\.sallyport%2Fedit$/,
    )
    const before = onDisk(gate)
    const late = await root.send({ ...form, text: `${form.text}# mine`, act: 'save' })
    expect([late.status, late.form.text]).toEqual([401, `${form.text}# mine`])
    expect((await root.send({ ...form, act: 'save' }, SCRIPT)).status).toBe(401)
    expect(onDisk(gate)).toBe(before)
    // A provider that says when it was counts by that.
    const stale = await editor(gate, { ...ADMIN, auth_time: Math.floor(nowMs / 1000) - 3600 })
    expect((await stale.open()).status).toBe(302)
  })

  test('a body without end is cut off, and what is not a file of the configuration is none', async () => {
    await using gate = await editable()
    writeFileSync(join(gate.folder, 'other.toml'), 'planted = 1')
    const root = await editor(gate)
    const { form } = await root.open()
    expect((await root.send({ ...form, text: 'x'.repeat(2 ** 21), act: 'save' })).status).toBe(413)
    const long = await root.send({ ...form, text: '#'.repeat(300_000), act: 'review' })
    expect(long.status).toBe(422)
    for (const file of [join(gate.folder, 'other.toml'), '/etc/passwd', 'routes.toml', `${gate.folder}/../x`]) {
      expect((await root.open(file)).status).toBe(404)
      expect((await root.send({ ...form, file, act: 'save' })).status).toBe(404)
    }
    const include = await root.send({ ...form, text: `include = ["/etc/host*"]\n${form.text}`, act: 'review' })
    expect([
      include.status,
      htmlPage(include.html).text.includes('is no .toml file in the folder of this one'),
    ]).toEqual([422, true])
  })
})

test('nothing that reaches into the machine is changed on a page, nor looked at', async () => {
  await using gate = await editable()
  const before = onDisk(gate)
  const made = join(gate.folder, 'made')
  writeFileSync(join(gate.folder, 'planted'), 'planted-secret')
  const root = await editor(gate)
  const { form } = await root.open()
  const route = (line: string) => `[[routes]]\nhost = "new.test"\nportal = "home"\nallow = ["user"]\n${line}\n`
  const reaching = [
    `[tls.acme.dns]\nexec = ["/bin/sh", "-c", "touch ${made}"]\n`,
    `[log]\nevents = "${made}"\n`,
    route('upstream = "unix:/run/docker.sock"'),
    route(`files = "${gate.folder}"`),
    route('respond = { body = "${file:planted}" }'),
    route('respond = { body = "${HOME}" }'),
  ]
  for (const more of reaching) {
    for (const act of ['review', 'save']) {
      const { status, html } = await root.send({ ...form, text: `${form.text}\n${more}`, act })
      expect([more, status]).toEqual([more, 422])
      expect(htmlPage(html).text).toContain('reaches into this machine')
      expect(html).not.toContain('planted-secret')
    }
  }
  // Whether there is such a file, and what is wrong with it, is not said either.
  const said = await Promise.all(
    ['planted', 'none'].map(async name => {
      const text = `${form.text}\n[providers.own]\nusers = "${join(gate.folder, name)}"\n`
      return (await root.send({ ...form, text, act: 'check' }, SCRIPT)).html
    }),
  )
  expect(said[0]).toContain('reaches into this machine')
  expect(said[0]).toBe(said[1] ?? '')
  expect([onDisk(gate), existsSync(made)]).toEqual([before, false])
})

describe('how it is written', () => {
  test('a link stays, and what it leads to is replaced', async () => {
    await using gate = await editable()
    mkdirSync(join(gate.folder, 'real'))
    const real = join(gate.folder, 'real', 'file.toml')
    renameSync(gate.configPath, real)
    symlinkSync(real, gate.configPath)
    const root = await editor(gate)
    const { form } = await root.open()
    expect((await root.send({ ...form, text: form.text.replace('"in"', '"linked"'), act: 'save' })).status).toBe(303)
    expect(lstatSync(gate.configPath).isSymbolicLink()).toBe(true)
    expect(readFileSync(real, 'utf8')).toContain('"linked"')
    expect(existsSync(join(gate.folder, 'real', '.file.toml.old'))).toBe(true)
  })

  test('a file that is included is edited like the first, and its lines keep their ends', async () => {
    await using gate = await editable()
    mkdirSync(join(gate.folder, 'conf.d'))
    const other = join(gate.folder, 'conf.d', 'b.toml')
    const text = '\uFEFF[[routes]]\r\nhost = "b.test"\r\nrespond = { body = "b" }\r\nallow = "public"\r\n'
    writeFileSync(other, text)
    change(gate, /^/, 'include = ["conf.d/*"]\n')
    await gate.server.reload()
    const root = await editor(gate)
    expect(await statusOf(gate, '/', { host: 'b.test' })).toBe(200)
    expect(htmlPage((await root.open()).html).text).toContain('conf.d/b.toml')
    const { form } = await root.open(other)
    const sent = form.text.replace('"public"', '"authenticated"\nportal = "home"').replaceAll('\n', '\r\n')
    expect((await root.send({ ...form, text: sent, act: 'save' })).status).toBe(303)
    expect(readFileSync(other, 'utf8')).toBe(text.replace('"public"', '"authenticated"\r\nportal = "home"'))
    expect(await statusOf(gate, '/', { host: 'b.test', accept: 'application/json' })).toBe(401)
  })

  test('where it cannot be written, that is said, and what was there stays', async () => {
    await using gate = await editable()
    const root = await editor(gate)
    const { form } = await root.open()
    const before = onDisk(gate)
    writeFileSync(join(gate.folder, '.routes.toml.saving'), '')
    const text = form.text.replace('"in"', '"new"')
    const refused = await root.send({ ...form, text, act: 'save' })
    expect([refused.status, htmlPage(refused.html).text.includes('Another admin is saving it now')]).toEqual([
      503,
      true,
    ])
    expect([onDisk(gate), refused.form.text]).toEqual([before, text])
    expect(readFileSync(join(gate.folder, '.routes.toml.saving'), 'utf8')).toBe('')
    expect((await trailOf(gate, 'config.save_refused')).at(0)).toMatchObject({ reason: 'not writable' })
  })
})
