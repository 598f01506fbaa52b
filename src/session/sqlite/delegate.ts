/** A store that passes each call on to the database in use, which may be replaced. */

import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { SessionStore } from '../store.ts'

/** Runs something on the store that is in place now. */
export type Run = <T>(act: (store: SessionStore) => MaybePromise<T>) => MaybePromise<T>

/** Every call of a store but those of its life, each run on the one that is in place when it comes. */
export function delegateTo(run: Run): Omit<SessionStore, 'changesSince' | 'onWritten' | 'close'> {
  return {
    insert: (session, handle) => run(store => store.insert(session, handle)),
    signInAgain: (session, handle, before) => run(store => store.signInAgain(session, handle, before)),
    findHosts: sessionId => run(store => store.findHosts(sessionId)),
    addHandle: (handle, replaced) => run(store => store.addHandle(handle, replaced)),
    findByHash: hash => run(store => store.findByHash(hash)),
    findById: id => run(store => store.findById(id)),
    findBySubject: (issuer, subject) => run(store => store.findBySubject(issuer, subject)),
    findBySid: (issuer, sid) => run(store => store.findBySid(issuer, sid)),
    list: (portal, page) => run(store => store.list(portal, page)),
    countSessions: (nowMs, portal) => run(store => store.countSessions(nowMs, portal)),
    update: (id, fields, before) => run(store => store.update(id, fields, before)),
    bind: (id, bound, before) => run(store => store.bind(id, bound, before)),
    lease: (id, nowMs, untilMs) => run(store => store.lease(id, nowMs, untilMs)),
    release: (id, untilMs, leftOf) => run(store => store.release(id, untilMs, leftOf)),
    touch: seen => run(store => store.touch(seen)),
    tellEnded: match => run(store => store.tellEnded(match)),
    endCookies: () => run(store => store.endCookies()),
    remove: (...ids) => run(store => store.remove(...ids)),
    put: (record, limits) => run(store => store.put(record, limits)),
    take: (kind, hash, nowMs) => run(store => store.take(kind, hash, nowMs)),
    peek: (kind, hash, nowMs) => run(store => store.peek(kind, hash, nowMs)),
    spend: (name, pace, nowMs) => run(store => store.spend(name, pace, nowMs)),
    spendAll: (wanted, nowMs) => run(store => store.spendAll(wanted, nowMs)),
    refund: (name, pace) => run(store => store.refund(name, pace)),
    readShared: name => run(store => store.readShared(name)),
    replaceShared: (name, before, after) => run(store => store.replaceShared(name, before, after)),
    findRecord: (kind, key) => run(store => store.findRecord(kind, key)),
    listRecords: (kind, whose) => run(store => store.listRecords(kind, whose)),
    removeIssued: (kind, id) => run(store => store.removeIssued(kind, id)),
    changeRecord: (kind, key, decide) => run(store => store.changeRecord(kind, key, decide)),
    appendAudit: (rows, keepMs) => run(store => store.appendAudit(rows, keepMs)),
    listAudit: page => run(store => store.listAudit(page)),
    removeAudit: ids => run(store => store.removeAudit(ids)),
    announceKeep: (id, keepMs, nowMs, heardMs) => run(store => store.announceKeep(id, keepMs, nowMs, heardMs)),
    trimAudit: (keepMs, nowMs, bounds) => run(store => store.trimAudit(keepMs, nowMs, bounds)),
    purge: (nowMs, idleMs) => run(store => store.purge(nowMs, idleMs)),
    clock: () => run(store => store.clock()),
  }
}
