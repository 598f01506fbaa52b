import { describe, expect, test } from 'bun:test'
import { ROOT } from '../../src/config/keys/keys.ts'
import { renderDiagnostics } from '../../src/config/render-diagnostics.ts'
import { check, complete, type World } from './checks.ts'

const route = (host: string, more = '') =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://app"\nallow = "public"\n${more}`

const FOLDER = '/etc/sallyport'

/** A world with these files in conf.d. */
function dropIns(files: Readonly<Record<string, string>>, more: World = {}): World {
  const paths = Object.entries(files).map(([name, text]) => [`${FOLDER}/conf.d/${name}`, text] as const)
  return {
    ...more,
    files: { ...Object.fromEntries(paths), ...more.files },
    listed: { [`${FOLDER}/conf.d`]: Object.keys(files), ...more.listed },
  }
}

const MAIN = `include = ["conf.d/*.toml"]\n${route('main.example')}`

/** The hosts of a good file, or its mistakes as `file:line code`. */
function outcome(text: string, world: World): readonly string[] {
  const result = check(text, world)
  return result.ok
    ? result.config.routes.map(({ host }) => host)
    : result.diagnostics.map(({ file, line, code }) => `${file}:${line} ${code}`)
}

describe('include', () => {
  test('files go on where the one before ends, by their names, each once, without the hidden ones', () => {
    const world = dropIns({
      'b.toml': route('b.example'),
      'a.toml': route('a1.example') + route('a2.example'),
      '.hidden.toml': route('hidden.example'),
      'a.toml~': 'no TOML {',
    })
    const twice = MAIN.replace('["conf.d/*.toml"]', '["conf.d/b.toml", "conf.d/*.toml"]')
    expect(outcome(MAIN, world)).toEqual(['main.example', 'a1.example', 'a2.example', 'b.example'])
    expect(outcome(twice, world)).toEqual(['main.example', 'b.example', 'a1.example', 'a2.example'])
  })

  test('a star that meets nothing is no mistake, nor is a folder that is not there; a file that is named has to be', () => {
    expect(outcome(MAIN, dropIns({}))).toEqual(['main.example'])
    expect(outcome(MAIN, {})).toEqual(['main.example'])
    expect(outcome(`include = "gone.toml"\n${route('main.example')}`, {})).toEqual(['routes.toml:1 file.unreadable'])
  })

  test('what cannot be read is a mistake that names it: a file, a folder that passes for one, a folder with a star', () => {
    expect(outcome(MAIN, { listed: { [`${FOLDER}/conf.d`]: ['a.toml'] } })).toEqual(['routes.toml:1 file.unreadable'])
    const folder = { listed: { [`${FOLDER}/conf.d`]: ['a.toml'] }, folders: [`${FOLDER}/conf.d/a.toml`] }
    expect(outcome(MAIN, folder)).toEqual(['routes.toml:1 file.unreadable'])
    expect(outcome(MAIN, { listed: { [`${FOLDER}/conf.d`]: 'EACCES' } })).toEqual(['routes.toml:1 file.unreadable'])
  })

  test.each<[string, World, string, string]>([
    [
      '"uesrs.toml"',
      { listed: { [FOLDER]: ['users.toml'] } },
      'include names "uesrs.toml", which does not exist',
      'did you mean "users.toml"?',
    ],
    [
      '"more"',
      { folders: [`${FOLDER}/more`] },
      'include names "more", which is a folder',
      'name the files in it: include = ["more/*.toml"]',
    ],
    [
      '"*.toml"',
      { listed: { [FOLDER]: ['a.toml'] }, folders: [`${FOLDER}/a.toml`] },
      'include names "a.toml", which is a folder',
      'name the files in it: include = ["a.toml/*.toml"]',
    ],
    [
      '"conf.d/*"',
      { listed: { [`${FOLDER}/conf.d`]: 'EACCES' } },
      'include names "conf.d", which may not be read by this user',
      'must be able to read it (in the container: chown 65532 FILE)',
    ],
  ])('what cannot be read is shown where include = [%s] names it, with what helps', (name, world, message, hint) => {
    const result = check(`include = [\n  "none.d/*.toml",\n  ${name},\n]\n${route('main.example')}`, {
      ...world,
      listed: { [`${FOLDER}/conf.d`]: [], ...world.listed },
    })
    if (result.ok) throw new Error('it is taken')
    const own = result.diagnostics.filter(({ line }) => line === 3)
    expect(own).toMatchObject([{ message, file: 'routes.toml', path: 'include[1]', column: 3, length: name.length }])
    expect(own[0]?.hint).toContain(hint)
    const shown = renderDiagnostics(own, result.texts, { colour: false })
    expect(shown).toContain(` --> routes.toml:3:3\n  |\n3 |   ${name},\n`)
    expect(shown).toEndWith('1 mistake in routes.toml\n')
  })

  test('a file that is no TOML says where it is included', () => {
    const result = check(`\n${MAIN}`, dropIns({ 'a.toml': 'something else\n' }))
    expect(result.ok ? [] : result.diagnostics).toMatchObject([
      {
        message: 'a key and its value have one = between them',
        file: 'conf.d/a.toml',
        hint: 'write something = "…"; routes.toml:2 includes this file: if it is no part of the configuration, take it out there',
      },
    ])
  })

  test('the file itself is never included, and what is included includes nothing', () => {
    const self = {
      listed: { [FOLDER]: ['routes.toml', 'a.toml'] },
      files: { [`${FOLDER}/a.toml`]: route('a.example') },
    }
    expect(outcome(`include = "*.toml"\n${route('main.example')}`, self)).toEqual(['main.example', 'a.example'])
    expect(outcome(MAIN, dropIns({ 'a.toml': 'include = "b.toml"\n' }))).toEqual(['conf.d/a.toml:1 include.table'])
  })

  test('absolute paths are named as they are', () => {
    const world = {
      listed: { '/srv/more': ['a.toml'] },
      files: { '/srv/more/a.toml': route('a.example', 'alow = 1\n') },
    }
    expect(outcome(`include = "/srv/more/*.toml"\n${route('main.example')}`, world)).toEqual([
      '/srv/more/a.toml:5 key.unknown',
    ])
  })

  test('mistakes are told with the file and the line of each, file by file', () => {
    const world = dropIns({
      'a.toml': `# one\n${route('a.example', 'timeout = "soon"\n')}`,
      'b.toml': 'routes = [',
      'c.toml': `${route('c1.example')}${route('c2.example', 'allow_ = 1\n')}`,
    })
    expect(outcome(MAIN.replace('upstream', 'upsteam'), world)).toEqual([
      'routes.toml:4 key.unknown',
      'conf.d/a.toml:6 duration.invalid',
      'conf.d/b.toml:1 toml.syntax',
      'conf.d/c.toml:9 key.unknown',
    ])
  })

  test('of two that collide, both places are told', () => {
    const same = check(MAIN, dropIns({ 'a.toml': `\n${route('main.example')}` }))
    expect(same.ok ? [] : same.diagnostics).toMatchObject([
      {
        code: 'route.duplicate',
        file: 'conf.d/a.toml',
        line: 3,
        hint: expect.stringContaining('in routes.toml at line 2'),
      },
    ])
    const provider = '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n'
    const twice = check(complete(`include = "conf.d/*.toml"\n${provider}`), dropIns({ 'a.toml': `\n${provider}` }))
    expect(twice.ok ? [] : twice.diagnostics).toMatchObject([
      {
        code: 'key.twice',
        path: 'providers.id',
        file: 'conf.d/a.toml',
        line: 2,
        hint: 'the other is in routes.toml at line 2',
      },
    ])
  })

  test('roles of a portal may be in several files, each whole in one', () => {
    const portal = '[portals.home]\nurl = "https://auth.example.com"\nproviders = ["id"]\nroles.user = { any = true }\n'
    const ops = '[portals.home.roles]\nops = { groups = ["ops"] }\n'
    const used = route('ops.example').replace('"public"', '["ops"]\nportal = "home"')
    const text = complete(`include = "conf.d/*.toml"\n${portal}`)
    const joined = check(text, dropIns({ 'a.toml': ops + used }))
    expect(joined.ok ? [...(joined.config.portals.get('home')?.roles.keys() ?? [])] : joined.diagnostics).toEqual([
      'user',
      'ops',
    ])
    expect(outcome(text, dropIns({ 'a.toml': ops + used, 'b.toml': ops }))).toEqual(['conf.d/b.toml:2 key.twice'])
    expect(outcome(text, dropIns({ 'a.toml': `\n${ops.replace('groups', 'gropus')}${used}` }))).toEqual([
      'conf.d/a.toml:3 key.unknown',
    ])
    expect(outcome(text, dropIns({ 'a.toml': '[portals.home]\ntitle = "Other"\n' }))).toEqual([
      'conf.d/a.toml:1 key.twice',
    ])
  })

  test.each(
    Object.keys(ROOT).filter(
      name => !['routes', 'expect', 'providers', 'portals', 'upstreams', 'include'].includes(name),
    ),
  )('[%s] belongs in the file itself', name =>
    expect(outcome(MAIN, dropIns({ 'a.toml': `\n[${name}]\n` }))).toEqual(['conf.d/a.toml:2 include.table']),
  )

  test('relative paths in what is included start at the folder of the file itself', () => {
    const secret =
      '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = "${file:secret}"\n'
    const world = dropIns({ 'a.toml': secret }, { files: { [`${FOLDER}/secret`]: 'of the main folder' } })
    const result = check(complete('include = "conf.d/*.toml"\n').replace(/\[providers\.id\][^[]*/, ''), world)
    expect(result.ok ? [] : result.diagnostics).toEqual([])
    expect(result.files).toContain(`${FOLDER}/secret`)
  })

  test('what is included is watched, with the folder in which more may appear, and is part of the fingerprint', () => {
    const one = check(MAIN, dropIns({ 'a.toml': route('a.example') }))
    expect(one.files).toEqual([`${FOLDER}/conf.d/.`, `${FOLDER}/conf.d/a.toml`])
    const other = check(MAIN, dropIns({ 'a.toml': `${route('a.example')}# changed\n` }))
    expect(one.fingerprint).not.toBe(other.fingerprint)
    expect([...one.texts.keys()]).toEqual(['routes.toml', 'conf.d/a.toml'])
  })

  test('in another table it is told where it belongs', () => {
    const result = check(`[server]\ninclude = "conf.d/*.toml"\n${route('main.example')}`)
    expect(result.ok ? [] : result.diagnostics).toMatchObject([
      { code: 'key.unknown', hint: 'include belongs in the top of the file' },
    ])
  })
})
