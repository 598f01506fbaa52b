import { expect, test } from 'bun:test'
import { layOutUsage, usageLines } from '../../src/console/usage.ts'

const WORDS = 'word '.repeat(18).trimEnd()
const TEXT = `usage: sallyport thing list [--json] [--a-rather-long-option WITH VALUE] [--another VALUE]
       sallyport thing make

One sentence. ${WORDS}
and its end.
Exit code: 0 done.

  --json           ${WORDS}
                   and more
  --config FILE    a file
  bash   sallyport completion bash > ~/.local/share/bash-completion/completions/sallyport
         or otherwise`

test('help keeps within 80 columns: options beside what they are for, no option parted, no command wrapped', () => {
  expect(layOutUsage(TEXT)).toBe(`usage: sallyport thing list [--json] [--a-rather-long-option WITH VALUE]
       [--another VALUE]
       sallyport thing make

One sentence. word word word word word word word word word word word word word
word word word word word and its end.
Exit code: 0 done.

  --json           word word word word word word word word word word word word
                   word word word word word word and more
  --config FILE    a file
  bash   sallyport completion bash > ~/.local/share/bash-completion/completions/sallyport
         or otherwise`)
})

test('a mistake shows every way to call a command', () => {
  expect(usageLines(TEXT).split('\n').at(-1)).toBe('       sallyport thing make')
})
