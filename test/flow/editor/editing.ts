import { readFileSync } from 'node:fs'
import { FORM, PAGE } from '../../kit/fields.ts'
import type { Gate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { ADMIN, EDIT, fileWith, HOME, start } from './file.ts'

export const STEP = '[audit]\nkeep = "1d"\n'

export const editable = (toml = STEP + fileWith(), server = 'edit = true') => start(toml, { server })

/** Somebody who edits, as a browser without scripts does. */
export async function editor(gate: Gate, claims: Record<string, unknown> = ADMIN) {
  const { cookie } = await gate.signIn(HOME, claims)
  const headers = { host: HOME, cookie }
  async function open(file?: string) {
    const query = file === undefined ? '' : `?${new URLSearchParams({ file })}`
    return read(await fetchFrom(gate, EDIT + query, { ...PAGE, ...headers }))
  }
  async function send(form: Record<string, string>, fields: Record<string, string> = FORM) {
    const body = new URLSearchParams(form)
    const said = Object.fromEntries(Object.entries({ ...fields, ...headers }).filter(([, value]) => value !== ''))
    return read(await fetchFrom(gate, EDIT, said, { method: 'POST', body }))
  }
  return { open, send, headers }
}

async function read(answer: Response) {
  const html = await answer.text()
  const page = htmlPage(html)
  const { proof = '', base = '', file = '' } = page.has('form') ? page.form().hidden : {}
  // What a browser takes as the first line of a text begins after a line break.
  const text = page.all('textarea')[0]?.lines.replace(/^\n/, '') ?? ''
  return { answer, status: answer.status, html, form: { proof, base, file, text } }
}

export const onDisk = (gate: Gate) => readFileSync(gate.configPath, 'utf8')
