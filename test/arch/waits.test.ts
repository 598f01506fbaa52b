import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const REQUEST = resolve(import.meta.dir, '../../src/server/request')

/** What waits, or says that something may have to be waited for. */
const WAIT = /\bawait\b|\.then\(|\.finally\(|\bandThen\(|\bMaybePromise\b/g

/**
 * Where a request may be waited for without `whileAllowed`, how often, and why what allows it cannot end there unseen.
 *
 * From the decision to the upstream there is one wait, which takes the request as an exchange, and begins again where its session or the
 * file has changed. So a line is added here only for what comes before that, for work that `whileAllowed` itself waits for, and for answers.
 */
const ALLOWED: Readonly<Record<string, readonly [times: number, why: string]>> = {
  'authenticate.ts': [12, 'before the decision, which pipeline.ts hands to whileAllowed'],
  'bound-session.ts': [3, 'before the decision'],
  'guests.ts': [3, 'before the decision'],
  'decide.ts': [9, 'the decision itself'],
  'webdav.ts': [5, 'a part of the decision'],
  'mcp/judge.ts': [1, 'reads a body; respond.ts hands it to whileAllowed'],
  'send-kept-form.ts': [1, 'keeps a form again that was not handed on'],
  'while-allowed.ts': [3, 'the wait itself'],
  'pipeline.ts': [8, 'from who asks to the decision; answers that are recorded; a refusal of trailers'],
  'respond.ts': [4, 'refusals, and pages of the portal'],
  'proxy-request.ts': [5, 'ends the span of an answer, changes answers, and looks for a file'],
  'last-user.ts': [1, 'changes answers'],
  'context.ts': [1, 'the type of an answer'],
  'errors/fail.ts': [5, 'the answer to what failed, a page of ours'],
  'errors/grpc.ts': [3, 'a refusal'],
  'verify/question.ts': [2, 'answers to a proxy in front'],
  'recheck.ts': [8, 'on no request’s way: ends what is under way'],
}

/** The code of a file: without comments and imports, in which nothing waits. */
function codeOf(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/^import [\s\S]*?from '.*'$/gm, '')
}

test('a request waits nowhere between its decision and its upstream, but where what allows it may end it', () => {
  const found: Record<string, number> = {}
  for (const name of new Bun.Glob('**/*.{ts,tsx}').scanSync(REQUEST)) {
    const times = codeOf(readFileSync(join(REQUEST, name), 'utf8')).match(WAIT)?.length ?? 0
    if (times > 0) found[name] = times
  }
  const allowed = Object.fromEntries(Object.entries(ALLOWED).map(([name, [times]]) => [name, times]))
  expect(found).toEqual(allowed)
})

test('what is counted as a wait is one', () => {
  const text =
    "import { andThen, type MaybePromise } from './x.ts'\n/** await */\nconst a = await b // await\nc.then(d)\nreturn andThen(e, f)\nlet g: MaybePromise<h>\n"
  expect(codeOf(text).match(WAIT)).toEqual(['await', '.then(', 'andThen(', 'MaybePromise'])
})
