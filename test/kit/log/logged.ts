import type { LoggedRequest } from '../../../src/migrate/rehearse/logged.ts'

/** A request of nobody for the first page, as an old log has it. */
export const LOGGED: LoggedRequest = {
  atMs: 0,
  client: null,
  method: 'GET',
  host: 'app.example.com',
  address: '/',
  user: null,
  status: 200,
  isForwarded: null,
}
