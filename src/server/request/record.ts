import { toGateError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { announcesBody } from '../../proxy/lifetime/client-idle.ts'
import type { Traffic } from '../observe/traffic.ts'
import { methodOf, type Passage } from './passage.ts'
import { portalRequest } from './portal/portal-request.ts'
import { finishRefusal } from './refusal/cors.ts'
import { detailForAdmins } from './refusal/for-admins.ts'
import { isClientGone } from './refusal/respond.ts'
import type { PipelineTools } from './tools.ts'

/** After the steps: counts an answer, and writes its line; undefined is a request that became a WebSocket. Answers with it as it is. */
export function record(response: Response | undefined, passage: Passage, tools: PipelineTools): Response | undefined {
  // What was answered here may have been answered before all of it came, and the rest of it is nobody's.
  if (response !== undefined && !passage.isForwarded && announcesBody(passage.sent)) {
    tools.clientIdle.part(passage.front, passage.connection)
  }
  if (response !== undefined && tools.leaving.isOn) tools.leaving.mark(response)
  const status = response?.status ?? 101
  const statusClass = Math.floor(status / 100)
  tools.metrics.responses[statusClass] = (tools.metrics.responses[statusClass] ?? 0) + 1
  if (tools.meter !== null) meterAnswer(response, status, passage, tools.meter)
  if (tools.accessLog.isOn) {
    const { target } = passage
    tools.accessLog.write({
      atMs: passage.startedMs,
      id: passage.id,
      client: passage.client,
      method: methodOf(passage),
      host: target?.host ?? '-',
      path: target?.path ?? '-',
      route: passage.route?.config.id ?? '-',
      user: passage.session?.identity.subject ?? null,
      status,
      tookMs: tools.ports.now() - passage.startedMs,
    })
  }
  return response
}

/** What went to an upstream has its bytes counted on its way. */
function meterAnswer(response: Response | undefined, status: number, passage: Passage, meter: Traffic): void {
  const routeId = passage.route?.config.id ?? null
  meter.finished(routeId, status, passage.cameAtMs)
  if (response === undefined || passage.isForwarded || methodOf(passage) === 'HEAD') return
  const length = response.headers.get('content-length')
  if (length !== null) meter.sent(routeId, status).bytes += Number(length)
}

/** The answer for what a step threw, counted and logged by its code. */
export function fail(thrown: unknown, passage: Passage, tools: PipelineTools): MaybePromise<Response> {
  const error = toGateError(thrown)
  // What fails because its client left is no failure of an upstream.
  if (error.code.startsWith('upstream.') && !isClientGone(passage)) tools.metrics.upstreamErrors++
  else if (error.code === 'target.too_large') tools.metrics.tooLarge++
  else if (error.code === 'limit.rate') tools.metrics.rateLimited++
  else if (error.code === 'limit.open') tools.metrics.openLimited++
  return andThen(detailForAdmins(error, passage, tools), detail =>
    finishRefusal(passage, tools.respond.failed(passage, portalRequest(passage), error, detail)),
  )
}
