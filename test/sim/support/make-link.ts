/** From the description of a path to the parts of its link. */
import {
  Bottleneck,
  BurstLoss,
  Corrupt,
  Delay,
  Duplicate,
  Jitter,
  Link,
  type LinkPart,
  Loss,
  Mtu,
  Outage,
  Spikes,
  Straggle,
} from './link-parts.ts'
import type { SimRandom } from './random.ts'
import type { PathSpec } from './scenario.ts'

export function makeLink(path: PathSpec, random: SimRandom): Link {
  const parts: LinkPart[] = [new Mtu(path.mtu, 1000 + (path.mtuShrinksAt ?? Number.POSITIVE_INFINITY), 1200)]
  if (path.bottleneck !== undefined) parts.push(new Bottleneck(path.bottleneck.bytesPerMs, path.bottleneck.queue))
  if (path.outage !== undefined) parts.push(new Outage(path.outage.from, path.outage.to))
  if (path.loss > 0)
    parts.push(
      path.burst > 1
        ? new BurstLoss(path.loss, path.burst, random.fork('loss'))
        : new Loss(path.loss, random.fork('loss')),
    )
  if (path.duplicate > 0) parts.push(new Duplicate(path.duplicate, random.fork('duplicate')))
  if (path.corrupt > 0) parts.push(new Corrupt(path.corrupt, random.fork('corrupt')))
  parts.push(new Delay(path.delayMs))
  if (path.jitterMs > 0) parts.push(new Jitter(path.jitterMs, random.fork('jitter')))
  if (path.straggle.share > 0) parts.push(new Straggle(path.straggle.share, path.straggle.ms, random.fork('straggle')))
  if (path.spikes !== undefined) parts.push(new Spikes(path.spikes.everyMs, path.spikes.lengthMs))
  return new Link(parts)
}
