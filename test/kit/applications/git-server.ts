import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startAnswering } from './answering.ts'

/** What git needs to run by itself: no settings of whoever runs the tests, and no question at a terminal. */
export function gitEnvironment(folder: string): Record<string, string> {
  const someone = { NAME: 'Ada', EMAIL: 'ada@example.com' }
  return {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    ...Object.fromEntries(
      Object.entries(someone).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  }
}

/** Repositories of a folder over HTTP, by git's own `http-backend` (a CGI program); everyone who gets here may push. */
export function startGitServer(folder: string): Bun.Server<undefined> {
  mkdirSync(folder, { recursive: true })
  return startAnswering(request => answer(request, folder))
}

async function answer(request: Request, folder: string): Promise<Response> {
  const url = new URL(request.url)
  const child = Bun.spawn(['git', 'http-backend'], {
    env: {
      ...gitEnvironment(folder),
      GIT_PROJECT_ROOT: join(folder),
      GIT_HTTP_EXPORT_ALL: '1',
      REMOTE_USER: 'somebody',
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers.get('content-type') ?? '',
      HTTP_CONTENT_ENCODING: request.headers.get('content-encoding') ?? '',
    },
    stdin: new Uint8Array(await request.arrayBuffer()),
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const said = Buffer.from(await new Response(child.stdout).arrayBuffer())
  const end = said.indexOf('\r\n\r\n')
  const headers = new Headers()
  for (const line of said.subarray(0, end).toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':')
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const status = Number.parseInt(headers.get('status') ?? '200', 10)
  headers.delete('status')
  return new Response(said.subarray(end + 4), { status, headers })
}
