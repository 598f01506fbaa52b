import { readFileSync } from 'node:fs'
import { FORM, PAGE } from '../../kit/fields.ts'
import type { Gate } from '../../kit/gate.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { ADMIN, EDIT, fileWith, HOME, start } from './file.ts'

export const STEP = '[audit]\nkeep = "1d"\n'

export const editable = (toml = STEP + fileWith(), server = 'edit = true') => start(toml, { server })

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&amp;': '&',
}
export const plain = (html: string) => html.replace(/&(?:lt|gt|quot|#39|amp);/g, entity => ENTITIES[entity] ?? '')

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
  const field = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? ''
  return {
    answer,
    status: answer.status,
    html,
    form: {
      proof: field('proof'),
      base: field('base'),
      file: field('file'),
      text: plain(/<textarea[^>]*>\n?([\s\S]*?)<\/textarea>/.exec(html)?.[1] ?? ''),
    },
  }
}

export const onDisk = (gate: Gate) => readFileSync(gate.configPath, 'utf8')
