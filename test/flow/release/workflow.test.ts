import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dir, '../../..')

interface Job {
  readonly needs?: string
  readonly permissions: Readonly<Record<string, string>>
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[]
}

const workflow = Bun.YAML.parse(readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8')) as {
  readonly permissions: Readonly<Record<string, string>>
  readonly jobs: Readonly<Record<'test' | 'release', Job>>
}
const jobs = Object.values(workflow.jobs)
const { scripts }: { readonly scripts: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
)

test('nothing is published before the tests have passed, and they may write nothing', () => {
  expect(workflow.jobs.release.needs).toBe('test')
  expect([workflow.permissions, workflow.jobs.test.permissions]).toEqual([{}, { contents: 'read' }])
  expect(workflow.jobs.test.steps.map(step => step.run)).toContain('sh .ci/run')
})

test('what is taken from others is named by its commit', () => {
  const used = jobs.flatMap(job => job.steps.flatMap(step => step.uses ?? []))
  expect(used.filter(name => !/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/.test(name))).toEqual([])
})

test('what is run is there: scripts of package.json, and shell that can be read', () => {
  const commands = jobs.flatMap(job => job.steps.flatMap(step => step.run ?? []))
  const scriptsRun = commands.flatMap(command => [...command.matchAll(/npm run (\w+)/g)].map(([, name = '']) => name))
  expect(scriptsRun).toEqual(['release'])
  expect(scriptsRun.filter(name => scripts[name] === undefined)).toEqual([])
  for (const command of commands) {
    // What the forge puts in is no shell.
    const shell = Bun.spawnSync(['sh', '-n'], { stdin: Buffer.from(command) })
    expect([command, shell.stderr.toString()]).toEqual([command, ''])
  }
})

test('a release’s notes, sums and image archives are where the workflow looks for them', () => {
  const text = JSON.stringify(workflow)
  for (const part of ['dist/release/NOTES.md', 'dist/release/SHA256SUMS', '-image-$architecture.tar']) {
    expect(text).toContain(part)
  }
})
