import { describe, expect, test } from 'bun:test'
import { compileRouteTable } from '../../src/route/table.ts'
import { parseTarget } from '../../src/route/target.ts'

const ROUTES = [
  'app.example/',
  'app.example/api',
  'app.example/api/push',
  'paths.example/only',
  '*.example/',
  '*.deep.example/',
  'cased.example/',
  'cased.example/Admin',
]

const table = compileRouteTable(
  ROUTES.map(value => ({ host: value.slice(0, value.indexOf('/')), path: value.slice(value.indexOf('/')), value })),
)

function match(address: string) {
  const [host = ''] = address.split('/')
  return table.match(parseTarget('GET', `http://${address}`, host))
}

describe('the route of a request', () => {
  const cases: [string, string | null][] = [
    ['app.example/', 'app.example/'],
    ['app.example/x/y', 'app.example/'],
    ['app.example/api', 'app.example/api'],
    ['app.example/api/', 'app.example/api'],
    ['app.example/api/pushy', 'app.example/api'],
    ['app.example/api/push/1/2/3', 'app.example/api/push'],
    ['app.example/apix', 'app.example/'],
    ['app.example/api..', 'app.example/'],
    ['other.example/', '*.example/'],
    ['a.b.c.example/x', '*.example/'],
    ['x.deep.example/', '*.deep.example/'],
    ['deep.example/', '*.example/'],
    ['paths.example/only/this', 'paths.example/only'],
    ['paths.example/', null],
    ['example/', null],
    ['elsewhere.test/', null],
  ]
  test.each(cases)('%s goes to %s', (address, route) => {
    expect(match(address)?.value ?? null).toBe(route)
  })
})

describe('another reading of the path', () => {
  const cases: [string, string, string[]][] = [
    ['app.example/api%2Fpush/x', 'app.example/', ['app.example/api/push']],
    ['app.example/API/push', 'app.example/', ['app.example/api/push']],
    ['app.example/x//api', 'app.example/', []],
    ['app.example/api//push', 'app.example/api', ['app.example/api/push']],
    ['app.example/api;v=1/push', 'app.example/', ['app.example/api/push']],
    ['cased.example/admin', 'cased.example/', ['cased.example/Admin']],
    ['cased.example/other', 'cased.example/', []],
    ['cased.example/ADMIN', 'cased.example/', ['cased.example/Admin']],
  ]
  test.each(cases)('%s is served by %s and may reach %p', (address, route, also) => {
    const found = match(address)
    expect(found?.value).toBe(route)
    expect(new Set(found?.also)).toEqual(new Set(also))
  })
})

describe('a path whose prefix is taken off', () => {
  const entry = (path: string, stripPrefix: string | null) => ({ host: 'app.example', path, stripPrefix, value: path })
  const table = compileRouteTable([
    entry('/api', '/api'),
    entry('/api/admin', '/api'),
    entry('/api/admin/login', '/api'),
    entry('/plain', null),
  ])
  test.each([
    ['/api//admin//login/x', '/api', ['/api/admin', '/api/admin/login']],
    ['/api///admin/x', '/api', ['/api/admin']],
    ['/api//x', '/api', []],
    ['/plain//x', '/plain', []],
  ])('%s is %s, and may reach %p by how it is sent', (path, route, also) => {
    const found = table.match(parseTarget('GET', `http://app.example${path}`, 'app.example'))
    expect([found?.value, new Set(found?.also)]).toEqual([route, new Set(also)])
  })
})

describe('a route for a path alone', () => {
  const entry = (path: string, isExact: boolean) => ({
    host: 'app.example',
    path,
    isExact,
    value: isExact ? `${path} alone` : path,
  })
  const table = compileRouteTable([
    entry('/', false),
    entry('/', true),
    entry('/up', true),
    entry('/Api', false),
    entry('/Api', true),
  ])
  const cases: [path: string, route: string, also: string[]][] = [
    ['/up', '/up alone', []],
    ['/up/x', '/', []],
    ['/up/', '/', []],
    ['/UP', '/', ['/up alone']],
    ['/up;v=1', '/', ['/up alone']],
    ['/upx', '/', []],
    ['/', '/ alone', []],
    ['/Api', '/Api alone', ['/']],
    ['/Api/x', '/Api', ['/']],
    ['/Api/', '/Api', ['/']],
    ['/api', '/', ['/Api alone']],
    ['/api/x', '/', ['/Api']],
  ]
  test.each(cases)('%s is %s, and may reach %p', (path, route, also) => {
    const found = table.match(parseTarget('GET', `http://app.example${path}`, 'app.example'))
    expect([found?.value, new Set(found?.also)]).toEqual([route, new Set(also)])
  })

  test('is for nothing else, where there is no other', () => {
    const single = compileRouteTable([entry('/', true)])
    const at = (path: string) =>
      single.match(parseTarget('GET', `http://app.example${path}`, 'app.example'))?.value ?? null
    expect(['/', '/x'].map(at)).toEqual(['/ alone', null])
  })
})

describe('a wildcard for one label', () => {
  const entry = (path: string, isOneLabel: boolean) => ({ host: '*.app.example', path, isOneLabel, value: path })
  const at = (host: string, path: string, entries: readonly ReturnType<typeof entry>[]) =>
    compileRouteTable(entries).match(parseTarget('GET', `http://${host}${path}`, host))?.value ?? null

  test('is for no name of more, whatever the path is', () => {
    for (const entries of [[entry('/', true)], [entry('/', true), entry('/x', true), entry('/any', false)]]) {
      expect(at('a.app.example', '/', entries)).toBe('/')
      expect(at('a.b.app.example', '/', entries)).toBeNull()
      expect(at('app.app.example', '/y', entries)).toBe('/')
      expect(at('app.example.app.example', '/y', entries)).toBeNull()
    }
  })

  test('takes nothing from routes that do not say so', () => {
    const entries = [entry('/', true), entry('/any', false)]
    expect([at('a.b.app.example', '/any/x', entries), at('a.b.app.example', '/x', entries)]).toEqual(['/any', null])
  })
})

test('ten thousand hosts are found like ten', () => {
  const many = compileRouteTable(
    Array.from({ length: 10_000 }, (_, index) => ({ host: `h${index}.example`, path: '/', value: index })),
  )
  expect(many.match(parseTarget('GET', 'http://h9999.example/x', 'h9999.example'))?.value).toBe(9999)
})

describe('a path that is meant in any letter case', () => {
  const [closed, open, alone, deeper] = ['/Admin', '/', '/Status', '/Admin/open/x']
  const anyCase = compileRouteTable([
    { host: 'app.example', path: open, value: open },
    { host: 'app.example', path: closed, ignoresCase: true, value: closed },
    { host: 'app.example', path: alone, isExact: true, ignoresCase: true, value: alone },
    { host: 'app.example', path: deeper, value: deeper },
  ])
  const cases: [string, string, string[]][] = [
    ['/Admin', closed, []],
    ['/admin', closed, []],
    ['/ADMIN/x', closed, []],
    ['/administrator', open, []],
    ['/status', alone, []],
    ['/STATUS', alone, []],
    ['/status/x', open, []],
    // The longest path, of whichever kind.
    ['/Admin/open/x/y', deeper, [closed]],
    // One whose letters do count is another reading still.
    ['/admin/open/x', closed, [deeper]],
    ['/%61dmin', open, [closed]],
  ]
  test.each(cases)('%s is served by %s and may reach %p', (path, value, also) => {
    const found = anyCase.match(parseTarget('GET', `http://app.example${path}`, 'app.example'))
    expect(found).toEqual({ value, also })
  })
})

describe('a route for some requests', () => {
  const entry = (value: string, path: string, when: ((target: { readonly method: string }) => Truth) | null) => ({
    host: 'app.example',
    path,
    when,
    value,
  })
  type Truth = 'yes' | 'no' | 'unknown'
  const by = (method: string) => (target: { readonly method: string }) => (target.method === method ? 'yes' : 'no')
  const find = (entries: readonly ReturnType<typeof entry>[], method: string, path: string) => {
    const found = compileRouteTable(entries).match(parseTarget(method, `http://app.example${path}`, 'app.example'))
    return found === null ? null : [found.value, ...found.also]
  }

  test('takes those, and what is around it the others', () => {
    const entries = [
      entry('rest', '/', null),
      entry('api', '/api', null),
      entry('writes', '/api', by('POST')),
      entry('removes', '/', by('DELETE')),
      { ...entry('alone', '/api/x', by('PUT')), isExact: true },
    ]
    expect(find(entries, 'GET', '/api/x')).toEqual(['api'])
    expect(find(entries, 'POST', '/api/x')).toEqual(['writes'])
    expect(find(entries, 'PUT', '/api/x')).toEqual(['alone'])
    expect(find(entries, 'PUT', '/api/x/y')).toEqual(['api'])
    expect(find(entries, 'DELETE', '/api/x')).toEqual(['api'])
    expect(find(entries, 'DELETE', '/y')).toEqual(['removes'])
    expect(find(entries, 'GET', '/')).toEqual(['rest'])
  })

  test('is nobody’s where no other takes the rest', () => {
    expect(find([entry('writes', '/', by('POST'))], 'GET', '/')).toBeNull()
    expect(find([entry('writes', '/', by('POST'))], 'POST', '/')).toEqual(['writes'])
  })

  test('of several, the first of the file that certainly is meant; those that may be count too', () => {
    const entries = [
      entry('rest', '/', null),
      entry('perhaps', '/', () => 'unknown'),
      entry('first', '/', by('POST')),
      entry('second', '/', () => 'yes'),
    ]
    expect(find(entries, 'POST', '/')).toEqual(['first', 'perhaps'])
    expect(find(entries, 'GET', '/')).toEqual(['second', 'perhaps'])
    expect(find([entry('perhaps', '/', () => 'unknown')], 'GET', '/')).toBeNull()
  })

  test('counts where another reading of a path leads, without a certain one too', () => {
    const entries = [entry('rest', '/', null), entry('writes', '/api', by('POST')), entry('odd', '/x', () => 'unknown')]
    expect(find(entries, 'POST', '/API')).toEqual(['rest', 'writes'])
    expect(find(entries, 'GET', '/API')).toEqual(['rest'])
    expect(find(entries, 'POST', '/api%2fy')).toEqual(['rest', 'writes'])
    expect(find(entries, 'GET', '/x%2fy')).toEqual(['rest', 'odd'])
  })
})
