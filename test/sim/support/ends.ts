/** How the ends of a planned connection may end: what is fair where datagrams get lost, and what is not. */
import type { CloseReason } from '../../../src/quic/index.ts'
import type { ConnectionRun } from './run.ts'
import type { PathSpec, Side } from './scenario.ts'

/** Datagrams may get lost on such a path. */
export function isLossy(path: PathSpec): boolean {
  return (
    path.loss > 0 ||
    path.corrupt > 0 ||
    path.straggle.share > 0 ||
    path.jitterMs > 0 ||
    path.spikes !== undefined ||
    path.bottleneck !== undefined ||
    path.mtuShrinksAt !== undefined ||
    path.outage !== undefined ||
    path.mtu < 1500
  )
}

export function describeReason(reason: CloseReason | undefined): string {
  if (reason === undefined) return 'nothing'
  return 'code' in reason ? `${reason.kind} ${reason.code}` : reason.kind
}

/** How `side` may end. What a lost CONNECTION_CLOSE leads to is allowed wherever datagrams get lost. */
export function allowedEnds(run: ConnectionRun, side: Side, isLossy: boolean, wasCut: boolean): string[] {
  const { by, code, at } = run.plan.close
  const ends: string[] = []
  if (by === 'both' || by === side) ends.push(`local-application ${code}`)
  if (by === 'both' || by !== side) {
    ends.push(`peer-application ${code}`)
    if (isLossy || at !== 'done') ends.push('idle-timeout', 'stateless-reset')
    // RFC 9000 §10.2.3: during the handshake the application's close goes as APPLICATION_ERROR.
    if (at !== 'done') ends.push('peer-transport 12', 'handshake-timeout')
  }
  if (wasCut) ends.push('idle-timeout', 'handshake-timeout', 'stateless-reset', `local-application ${code}`)
  return ends
}
