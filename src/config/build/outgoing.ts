import { basicField } from '../../base/basic.ts'
import type { OutgoingConfig } from '../../base/outgoing.ts'
import { known } from '../keys/known.ts'
import type { OutgoingException, OutgoingTable } from '../keys/outgoing.ts'

/** `outgoing` of a file without mistakes. Throws TypeError where a value is missing. */
export function buildOutgoing(table: OutgoingTable): OutgoingConfig {
  const { proxy, user, password, except } = known(table)
  const of = (wanted: OutgoingException['kind']) => except.filter(({ kind }) => kind === wanted).map(({ text }) => text)
  return {
    proxy,
    authorization: user === null ? null : basicField(user, password ?? ''),
    except: { hosts: of('host'), suffixes: of('suffix'), networks: of('network') },
  }
}
