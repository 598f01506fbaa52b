import { parseBody, ScimRefusal } from '../../../src/portal/scim/json.ts'
import { patchGroup, patchUser } from '../../../src/portal/scim/patch.ts'
import { parseFilter } from '../../../src/portal/scim/requests.ts'
import { parseGroup, parseUser } from '../../../src/portal/scim/resources.ts'
import type { PushedGroup, PushedUser } from '../../../src/session/scim/resource.ts'
import { groupOf, patchOf, userOf } from '../../kit/scim.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const TIMES = { createdAtMs: 1, changedAtMs: 1 }
const ADA: PushedUser = {
  ...TIMES,
  kind: 'user',
  id: 'a',
  externalId: 'ada',
  userName: 'Ada',
  displayName: null,
  isActive: false,
  isGone: false,
}
const TEAM: PushedGroup = {
  ...TIMES,
  kind: 'group',
  id: 'g',
  externalId: null,
  displayName: 'Team',
  members: ['a', 'b'],
}

/** What one kind of input came to, in few words. */
type Attempt = (text: string) => string

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '' && value.length <= 1000

function holdUser(said: Pick<PushedUser, 'externalId' | 'userName' | 'displayName' | 'isActive'>): string {
  const { externalId, userName, displayName, isActive } = said
  hold(isText(externalId) && isText(userName), 'names are texts of some length', said)
  hold(displayName === null || isText(displayName), 'a name to show is none, or such a text', said)
  hold(typeof isActive === 'boolean', 'somebody is active or not', said)
  return `user ${isActive} ${displayName !== null} ${userName === ADA.userName}`
}

function holdGroup({ displayName, members }: Pick<PushedGroup, 'displayName' | 'members'>): string {
  hold(isText(displayName) && members.every(isText), 'names and members are texts', displayName, members)
  hold(new Set(members).size === members.length, 'nobody is a member twice', members)
  return `group ${displayName === TEAM.displayName} ${Math.min(members.length, 4)}`
}

const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  F(text) {
    const isMeant = parseFilter(text, 'user')
    return `filter ${isMeant(ADA)}`
  },
  U: text => holdUser(parseUser(parseBody(text), null)),
  G: text => holdGroup(parseGroup(parseBody(text))),
  P(text) {
    const body = parseBody(text)
    const said = patchUser(body, ADA)
    const mentions = text.toLowerCase().includes('active') || text.includes('\\u')
    hold(!said.isActive || mentions, 'nobody is active again whom nothing says so of', text)
    return holdUser(said)
  },
  M: text => holdGroup(patchGroup(parseBody(text), TEAM)),
}

const sent = (kind: string, body: object) => kind + JSON.stringify(body)
const change = (path: string, value: unknown, op = 'replace') => patchOf({ op, path, value })

/** What a provider pushes, once it has proven itself: `F` and a filter; `U` and `G` a user and a group; `P` and `M` changes of one. */
export const pushes: Subject = {
  name: 'pushes',
  seeds: [
    'FuserName eq "Ada" and externalId eq "ada"',
    'Furn:ietf:params:scim:schemas:core:2.0:User:active eq false',
    sent('U', userOf('ada', { displayName: 'Ada' })),
    sent('G', groupOf('Team', ['a', 'c'])),
    sent('P', change('active', 'True')),
    sent('P', patchOf({ op: 'add', value: { userName: 'x', active: false } })),
    sent('M', change('members[value eq "a"]', undefined, 'remove')),
    sent('M', change('members', [{ value: 'c' }], 'add')),
  ],
  words: [
    ...'" : , { } [ ] null true false 0 -1 1e999 "op" "path" "value" "Operations" "schemas" "active" "ACTIVE" "members"'.split(
      ' ',
    ),
    ...'"remove" "add" "displayName" "userName" "externalId" "id" "meta" "__proto__" [value eq "a"] .value eq and \\u0041 \\" \\\\'.split(
      ' ',
    ),
    'urn:ietf:params:scim:schemas:core:2.0:User',
    'urn:ietf:params:scim:schemas:core:2.0:Group',
    'urn:ietf:params:scim:api:messages:2.0:PatchOp',
  ],
  maxBytes: 500,
  open: () => ({
    attempt(input) {
      const text = textOf(input)
      try {
        return ATTEMPTS[text.slice(0, 1)]?.(text.slice(1)) ?? 'none'
      } catch (thrown) {
        if (!(thrown instanceof ScimRefusal)) throw thrown
        return `${text.slice(0, 1)} ${thrown.status} ${thrown.scimType} ${thrown.message}`
      }
    },
  }),
}
