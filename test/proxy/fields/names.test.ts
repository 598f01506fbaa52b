import { expect, test } from 'bun:test'
import { compileFieldFates } from '../../../src/proxy/fields/names.ts'

const fateOf = compileFieldFates([])

test.each(['x-original-filename', 'x-original-file-name'])('%s is the application’s own', name => {
  expect(fateOf(name)).toBe('keep')
})

test.each(['x-original-url', 'x-original-uri', 'x-original-path', 'x-original-host', 'x-original-filename-url'])(
  '%s states another request',
  name => {
    expect(fateOf(name)).toBe('drop')
  },
)
