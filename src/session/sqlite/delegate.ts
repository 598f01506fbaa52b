import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { SessionStore } from '../store.ts'

/** Runs something on the store that is in place now. */
export type Run = <T>(act: (store: SessionStore) => MaybePromise<T>) => MaybePromise<T>

/** Every call of a store but those of its life, each run on the one that is in place when it comes. */
export function delegateTo(run: Run): Omit<SessionStore, 'changesSince' | 'onWritten' | 'close'> {
  return {
    insert: (session, handle) => run(store => store.insert(session, handle)),
    findHosts: sessionId => run(store => store.findHosts(sessionId)),
    addHandle: handle => run(store => store.addHandle(handle)),
    findByHash: hash => run(store => store.findByHash(hash)),
    findById: id => run(store => store.findById(id)),
    findBySubject: (issuer, subject) => run(store => store.findBySubject(issuer, subject)),
    findBySid: (issuer, sid) => run(store => store.findBySid(issuer, sid)),
    list: (portal, page) => run(store => store.list(portal, page)),
    countSessions: nowMs => run(store => store.countSessions(nowMs)),
    update: (id, fields, before) => run(store => store.update(id, fields, before)),
    lease: (id, nowMs, untilMs) => run(store => store.lease(id, nowMs, untilMs)),
    release: (id, untilMs, isLeft) => run(store => store.release(id, untilMs, isLeft)),
    touch: seen => run(store => store.touch(seen)),
    tellEnded: match => run(store => store.tellEnded(match)),
    remove: (...ids) => run(store => store.remove(...ids)),
    put: (record, limits) => run(store => store.put(record, limits)),
    take: (kind, hash, nowMs) => run(store => store.take(kind, hash, nowMs)),
    peek: (kind, hash, nowMs) => run(store => store.peek(kind, hash, nowMs)),
    spend: (name, pace, nowMs) => run(store => store.spend(name, pace, nowMs)),
    spendAll: (wanted, nowMs) => run(store => store.spendAll(wanted, nowMs)),
    refund: (name, pace) => run(store => store.refund(name, pace)),
    readShared: name => run(store => store.readShared(name)),
    replaceShared: (name, before, after) => run(store => store.replaceShared(name, before, after)),
    insertToken: token => run(store => store.insertToken(token)),
    insertShortToken: (ofId, token) => run(store => store.insertShortToken(ofId, token)),
    findToken: hash => run(store => store.findToken(hash)),
    findTokenById: id => run(store => store.findTokenById(id)),
    listTokens: portal => run(store => store.listTokens(portal)),
    useToken: id => run(store => store.useToken(id)),
    removeToken: id => run(store => store.removeToken(id)),
    insertLink: link => run(store => store.insertLink(link)),
    findLink: hash => run(store => store.findLink(hash)),
    findLinkById: id => run(store => store.findLinkById(id)),
    listLinks: portal => run(store => store.listLinks(portal)),
    useLink: (hash, nowMs) => run(store => store.useLink(hash, nowMs)),
    removeLink: id => run(store => store.removeLink(id)),
    keepOwner: owner => run(store => store.keepOwner(owner)),
    findOwner: id => run(store => store.findOwner(id)),
    noteOwner: (id, note) => run(store => store.noteOwner(id, note)),
    listPushed: directory => run(store => store.listPushed(directory)),
    readPushed: (directory, id) => run(store => store.readPushed(directory, id)),
    replacePushed: (directory, id, before, after) => run(store => store.replacePushed(directory, id, before, after)),
    appendAudit: (rows, keepMs) => run(store => store.appendAudit(rows, keepMs)),
    listAudit: page => run(store => store.listAudit(page)),
    removeAudit: ids => run(store => store.removeAudit(ids)),
    trimAudit: (beforeMs, bounds) => run(store => store.trimAudit(beforeMs, bounds)),
    purge: (nowMs, idleBeforeMs) => run(store => store.purge(nowMs, idleBeforeMs)),
  }
}
