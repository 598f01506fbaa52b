/** The session store on Redis or Valkey, shared by gates of several machines: one server, sentinels or a cluster. */

import type { Facts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { type RedisAddress, type RedisNode, showNode } from '../../config/values/redis-address.ts'
import type { SessionStore, SignInStore, StoredChanges } from '../store.ts'
import { auditOver } from './audit.ts'
import { createChangeFeed } from './changes.ts'
import { clusterPrefixes, openCluster } from './cluster.ts'
import type { NodeAddress, NodeOptions } from './cluster-nodes.ts'
import { BATCH, keysOf, type LinkOptions, openRedisLink, type RedisLink, serverMs } from './connection.ts'
import { endedIn, inEach, isTogether, onePartition, type RedisPartitions } from './partitions.ts'
import { listedServers } from './primary.ts'
import { rateLimitsOver } from './rate-limits.ts'
import { onceOver, recordsOver } from './records.ts'
import { CHANGES_KEPT_MS, createEndings, type EndedAgain } from './repeat-after-failover.ts'
import { CLOCK, DROP, FORGET_ONCE, script } from './script.ts'
import { namedBySentinels } from './sentinel.ts'
import { openLine, type RedisTls } from './server-connection.ts'
import { sessionsOver } from './sessions.ts'

/** Where the server is, and what proves that it is the one: null for a certificate that the system knows, or none. */
export interface RedisPlace extends RedisAddress {
  readonly tls?: RedisTls | null
}

export interface RedisListener {
  /** The server lost its data while this process was connected. */
  readonly onLost?: (store: SessionStore) => void
  /** There is a new connection, which may lead to another server than the one before. */
  readonly onConnected?: (store: SessionStore) => void
  readonly replyMs?: LinkOptions['replyMs']
}

/** The server keeps everything this much longer than it is used, so that nodes with different clocks agree. */
const GRACE_MS = 60 * 60 * 1000

/** How long one node of a cluster has to say who has what. */
const NODE_MS = 1000

const PURGE_STEPS = 20

const BEHIND = 'The session store has lost what was last written to it, as by a failover to a replica that was behind'

/** Times as the operator's other logs have them; `unknown_before` where sign-outs may count no more of which nothing is remembered. */
function behindFacts({ number, sinceMs }: EndedAgain, heardMs: number, keptMs: number): Facts {
  const at = (ms: number) => new Date(ms).toISOString()
  return {
    last_change: at(heardMs),
    last_left: keptMs === 0 ? 'nothing' : at(keptMs),
    ended_again: number,
    ...(keptMs !== 0 && keptMs < sinceMs ? { unknown_before: at(sinceMs) } : {}),
    hint: 'sign-outs that this process made or heard of were made again; look at granted roles and at what providers push. min-replicas-to-write on the primary bounds what a failover can lose',
  }
}

/**
 * A SessionStore on a Redis or Valkey server, for several machines.
 *
 * Opens at once and connects in the background; without a connection every call throws. The server expires rows, and
 * the caller decides what that means. An acknowledged write is as durable as the server's settings make it
 * (`appendonly`), and the server must not evict (`maxmemory-policy noeviction`).
 */
export function openRedisStore(
  address: RedisPlace,
  ports: Pick<Ports, 'now' | 'tick' | 'log'>,
  { onLost, onConnected, replyMs }: RedisListener = {},
): SessionStore {
  const { log } = ports
  const shownAs = { store: address.shownAs }
  const endings = createEndings(ports)
  const prefix = keysOf(address.prefix)
  const prefixes = address.topology === 'cluster' ? clusterPrefixes(prefix) : [prefix]
  const feeds = prefixes.map((prefix, index) => {
    // So that the log tells apart what is said of several.
    const facts = prefixes.length === 1 ? shownAs : { ...shownAs, partition: index }
    return createChangeFeed(endedIn(prefix, index, prefixes.length), endings, {
      onLost({ number }) {
        const lost = number === 0 ? facts : { ...facts, ended_again: number }
        log.error('The session store was emptied or put back; who is not in it has to sign in again', lost)
        if (index === 0) onLost?.(store)
      },
      onBehind: (...behind) => log.error(BEHIND, { ...facts, ...behindFacts(...behind) }),
    })
  })
  const greet = async (index: number, send: RedisLink['send']) => feeds[index]?.greet(send)
  const partitions = openPartitions(address, {
    log,
    clock: ports,
    greet,
    onConnected: () => onConnected?.(store),
    replyMs,
  })
  const global = partitions.of('global')
  const lastsOf = (expiresAtMs: number) => Math.round(Math.max(0, expiresAtMs - ports.now()))
  const ttlOf = (expiresAtMs: number) => lastsOf(expiresAtMs) + GRACE_MS
  // Everything that has not expired lives longer than the grace period, except a cookie that was replaced.
  const untilOf = (lastsMs: number) => (lastsMs < GRACE_MS ? ports.now() + lastsMs : undefined)

  const store: SessionStore = {
    ...notingWrites(sessionsOver(partitions, endings, { ttlOf, lastsOf, untilOf }), id => {
      feeds[partitions.all.indexOf(partitions.of({ session: id }))]?.writing(id)
    }),
    ...onceOver(global, ttlOf),
    ...rateLimitsOver(global),
    ...recordsOver(partitions, endings, ttlOf),
    ...auditOver(global),
    onWritten: null,
    async tellEnded(match) {
      await global.send('XADD', [`${global.prefix}changes`, '*', 'ended', JSON.stringify(match)])
    },
    // What one partition cannot tell now, its stream tells later: the others are heard all the same.
    async changesSince() {
      const all = await Promise.allSettled(partitions.all.map(({ send }, at) => feeds[at]?.since(send)))
      const heard = all.flatMap(one => (one.status === 'fulfilled' ? (one.value ?? []) : []))
      const [failed] = all.flatMap(one => (one.status === 'rejected' ? [one] : []))
      if (heard.length === 0 && failed !== undefined) throw failed.reason
      return together(heard)
    },
    // Of several servers' it is the clock that is furthest from ours: what is over in a partition goes by that of its server.
    async clock() {
      const times = await inEach(partitions.all, serverMs)
      return times.reduce((one, other) => (Math.abs(other - ports.now()) > Math.abs(one - ports.now()) ? other : one))
    },
    ...(prefixes.length === 1 ? {} : { fits: (hash, sessionId) => isTogether(hash, sessionId, prefixes.length) }),
    async purge(_nowMs, idleMs) {
      await inEach(partitions.all, async ({ run }) => {
        for (let step = 0; step < PURGE_STEPS; step++) {
          if ((await run(PURGE, [idleMs, BATCH, CHANGES_KEPT_MS])) !== 1) break
        }
      })
      return []
    },
    close: () => partitions.close(),
  }
  return store
}

interface Opening {
  readonly log: Ports['log']
  readonly clock: Pick<Ports, 'now' | 'tick'>
  /** What to ask first in a partition on each new connection. */
  greet(index: number, send: RedisLink['send']): Promise<void>
  onConnected(): void
  readonly replyMs: LinkOptions['replyMs']
}

/** The way to where things are kept. Pairs with `close`. */
function openPartitions(address: RedisPlace, opening: Opening): RedisPartitions & { close(): void } {
  const { nodes, shownAs, login, database, isTls, tls = null, sentinel } = address
  const prefix = keysOf(address.prefix)
  const line = { login, database, tls: isTls ? (tls ?? { ca: null, own: null }) : null }
  if (address.topology === 'cluster')
    return openCluster({ ...opening, ...byLines(prefix, line), seeds: nodes.filter(hasPort), shownAs, prefix })
  const { log, clock, greet, onConnected, replyMs } = opening
  const whereabouts =
    sentinel === null ? listedServers(nodes) : namedBySentinels({ ...sentinel, nodes, tls: line.tls }, clock)
  const options = { whereabouts, prefix, line, shownAs, log, onConnected, replyMs }
  const link = openRedisLink({ ...options, greet: send => greet(0, send) })
  return { ...onePartition(link), close: () => link.close() }
}

/** Ways to single nodes of a cluster. */
function byLines(prefix: string, line: LinkOptions['line']): Pick<NodeOptions, 'openLink' | 'openLine'> {
  return {
    openLink: (node, log, greet) =>
      openRedisLink({ whereabouts: listedServers([node]), prefix, line, shownAs: showNode(node), log, greet }),
    openLine: node => openLine(node, { ...line, limitMs: NODE_MS }),
  }
}

function hasPort(node: RedisNode): node is NodeAddress {
  return 'port' in node
}

/** What several streams tell, as one. */
function together(heard: readonly StoredChanges[]): StoredChanges {
  const ended = heard.flatMap(one => one.ended ?? [])
  return {
    removed: heard.flatMap(one => one.removed),
    updated: heard.flatMap(one => one.updated),
    ...(ended.length === 0 ? {} : { ended }),
    ...(heard.some(one => one.isIncomplete) ? { isIncomplete: true } : {}),
  }
}

/** Says before each write what it is about. */
function notingWrites(signIns: SignInStore, writing: (id: string) => void): SignInStore {
  return {
    ...signIns,
    insert(session, handle) {
      writing(session.id)
      return signIns.insert(session, handle)
    },
    signInAgain(session, handle, before) {
      writing(session.id)
      return signIns.signInAgain(session, handle, before)
    },
    addHandle(handle, replaced) {
      writing(handle.sessionId)
      return signIns.addHandle(handle, replaced)
    },
    update(id, fields, before) {
      writing(id)
      return signIns.update(id, fields, before)
    },
  }
}

/**
 * how long any session may be unused, how many of a kind at most, how long changes are kept → 1 when there may be
 * more.
 */
const PURGE = script(`${CLOCK}${DROP}${FORGET_ONCE}
local now = clock()
local more = 0
local function finish(id)
  drop(id)
  redis.call('XADD', p .. 'changes', '*', 'purged', id)
end
local function over(index, before, remove)
  local found = redis.call('ZRANGEBYSCORE', p .. index, '-inf', string.format('%.0f', before), 'LIMIT', 0, ARGV[2])
  for _, member in ipairs(found) do remove(member) end
  if #found == tonumber(ARGV[2]) then more = 1 end
end
over('expires', now, finish)
over('seen', now - ARGV[1], finish)
over('once-expires', now, forget)
local oldest = now - ARGV[3]
local newest = redis.call('XREVRANGE', p .. 'changes', '+', '-', 'COUNT', 1)[1]
if newest then
  local isOld = tonumber(string.match(newest[1], '^%d+')) < oldest
  redis.call('XTRIM', p .. 'changes', 'MINID', '~', isOld and newest[1] or string.format('%.0f', oldest))
end
return more
`)
