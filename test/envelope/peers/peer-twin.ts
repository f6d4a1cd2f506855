/** What `PeerTable` does about liveness, names, roles and room, slowly and obviously: a list of objects in the order of their last touch, looked through each time. */
import type { PeerChange } from '../../../src/envelope/peers/peer-table.ts'
import type { PeerSettings } from '../../../src/envelope/peers/settings.ts'
import type { PeerAnnounce, RoleChange } from '../../../src/envelope/wire/bodies.ts'
import type { PeerKey } from '../../../src/envelope/wire/envelope.ts'

type Place = 'connected' | 'online' | 'stale' | 'offline' | `lane ${number}`

interface TwinPeer {
  readonly key: PeerKey
  place: Place
  /** We had a connection or an envelope. */
  isMet: boolean
  name: string
  isOurs: boolean
  isRelay: boolean
  seenAt: number
  since: number
  announcedAt: number
  roleStatedAt: number
  roleChangedAt: number
  namedAt: number
}

const NEVER = Number.NEGATIVE_INFINITY

export class PeerTwin {
  readonly #settings: PeerSettings
  readonly #sources: PeerKey[] = []
  #turn = 0
  #intervalMs: number
  #intervalAt = 0
  /** The last touched last. */
  peers: TwinPeer[] = []
  pushedOut: PeerChange[] = []
  pushedOutAt = Number.POSITIVE_INFINITY

  constructor(settings: PeerSettings) {
    this.#settings = settings
    this.#intervalMs = settings.leastIntervalMs
  }

  find(key: PeerKey): TwinPeer | undefined {
    return this.peers.find((peer) => peer.key === key)
  }

  liveness(peer: TwinPeer): 'online' | 'stale' | 'offline' {
    if (peer.place === 'online' || peer.place === 'connected') return 'online'
    return peer.place === 'stale' ? 'stale' : 'offline'
  }

  alive(key: PeerKey, now: number): PeerChange | undefined {
    const peer = this.find(key)
    return this.#put(key, peer?.place === 'connected' ? 'connected' : 'online', now, (it) => {
      it.seenAt = now
      it.isMet = true
    })
  }

  connected(key: PeerKey, now: number): PeerChange | undefined {
    return this.#put(key, 'connected', now, (it) => {
      it.seenAt = now
      it.isMet = true
    })
  }

  disconnected(key: PeerKey, now: number): PeerChange | undefined {
    if (this.find(key)?.place !== 'connected') return undefined
    return this.#put(key, 'online', now, (it) => {
      it.seenAt = now
    })
  }

  unreachable(key: PeerKey, now: number): PeerChange | undefined {
    const place = this.find(key)?.place
    if (place !== 'online' && place !== 'stale') return undefined
    return this.#put(key, place === 'online' ? 'stale' : 'offline', now, (it) => {
      it.since = now
    })
  }

  hinted(announce: PeerAnnounce, now: number, source: PeerKey): PeerChange | undefined {
    const peer = this.find(announce.peer)
    if (peer === undefined) {
      const lane = this.#laneOf(source)
      const own = this.peers.filter((other) => other.place === lane)
      const lanes = Array.from({ length: this.#settings.hintSources }, (_, index) => `lane ${index}`)
      const bySize = lanes.map((name) => this.peers.filter((other) => other.place === name))
      if (own.length >= this.#settings.maxHintsPerSource) this.#pushOut(own[0]!, now)
      else if (this.peers.length >= this.#settings.maxPeers) {
        const most = Math.max(...bySize.map((group) => group.length))
        if (most === 0) return undefined
        this.#pushOut(bySize.find((group) => group.length === most)![0]!, now)
      }
      return this.#put(announce.peer, lane, now, (it) => {
        it.name = announce.name
        it.since = now
        it.namedAt = now
      })
    }
    const isNews = !peer.isOurs && peer.name !== announce.name && now - peer.namedAt >= this.#settings.minChangeMs
    const change = (it: TwinPeer): void => {
      if (it.place.startsWith('lane')) it.since = now
      if (!isNews) return
      it.name = announce.name
      it.namedAt = now
    }
    if (peer.place.startsWith('lane')) return this.#put(peer.key, peer.place, now, change)
    const before = this.#say(peer, this.liveness(peer), undefined)
    change(peer)
    return this.#news(before, peer)
  }

  announced(announce: PeerAnnounce, now: number, wall: number): PeerChange | undefined {
    const peer = this.find(announce.peer)
    if (peer !== undefined && announce.timestamp <= peer.announcedAt) return undefined
    const isFresh = announce.timestamp >= wall - this.#settings.freshMs
    const tell = (it: TwinPeer): void => {
      it.name = announce.name
      it.isOurs = true
      it.announcedAt = announce.timestamp
      if (announce.timestamp > it.roleStatedAt) {
        it.roleStatedAt = announce.timestamp
        it.isRelay = announce.roles.includes('Relay')
      }
      if (isFresh) it.seenAt = now
    }
    if (isFresh) return this.#put(announce.peer, peer?.place === 'connected' ? 'connected' : 'online', now, tell)
    if (peer === undefined || peer.place.startsWith('lane')) {
      return this.#put(announce.peer, 'offline', now, (it) => {
        it.since = now
        tell(it)
      })
    }
    const before = this.#say(peer, this.liveness(peer), undefined)
    tell(peer)
    return this.#news(before, peer)
  }

  roleChanged(change: RoleChange, now: number, wall: number): PeerChange | undefined {
    const peer = this.find(change.peer)
    if (peer === undefined || Math.abs(change.timestamp - wall) > this.#settings.roleSkewMs) return undefined
    if (now - peer.roleChangedAt < this.#settings.minChangeMs || change.timestamp <= peer.roleStatedAt) return undefined
    const before = this.#say(peer, this.liveness(peer), undefined)
    peer.roleStatedAt = change.timestamp
    peer.roleChangedAt = now
    peer.isRelay = change.role === 'Relay'
    return this.#news(before, peer)
  }

  /** In any order. */
  tick(now: number): PeerChange[] {
    const { leastIntervalMs, intervalPerPeerMs } = this.#settings
    const count = this.peers.filter((peer) => this.liveness(peer) !== 'offline').length
    const fallen = this.#intervalMs - (now - this.#intervalAt) / 4
    this.#intervalMs = Math.max(leastIntervalMs, count * intervalPerPeerMs, fallen)
    this.#intervalAt = now
    const changes = this.pushedOut
    this.pushedOut = []
    this.pushedOutAt = Number.POSITIVE_INFINITY
    for (;;) {
      const due = this.peers.filter((peer) => this.#dueAt(peer) <= now)
      const peer =
        ['online', 'stale', 'offline'].flatMap((place) => due.find((it) => it.place === place) ?? [])[0] ?? due[0]
      if (peer === undefined) return changes
      if (peer.place === 'online' || peer.place === 'stale') {
        const next = peer.place === 'online' ? 'stale' : 'offline'
        const since = Math.max(
          this.#dueAt(peer),
          ...this.peers.filter((it) => it.place === next && it.isMet === peer.isMet).map((it) => it.since),
        )
        changes.push(
          this.#put(peer.key, next, now, (it) => {
            it.since = since
          })!,
        )
      } else {
        this.peers.splice(this.peers.indexOf(peer), 1)
        changes.push(this.#say(peer, 'forgotten', 'offline'))
      }
    }
  }

  deadline(): number {
    return Math.min(this.pushedOutAt, ...this.peers.map((peer) => this.#dueAt(peer)))
  }

  #dueAt(peer: TwinPeer): number {
    const { staleIntervals, offlineIntervals, forgottenIntervals } = this.#settings
    if (peer.place === 'connected') return Number.POSITIVE_INFINITY
    if (peer.place === 'online') return peer.seenAt + staleIntervals * this.#intervalMs
    if (peer.place === 'stale') return peer.since + (offlineIntervals - staleIntervals) * this.#intervalMs
    if (peer.place === 'offline') return peer.since + (forgottenIntervals - offlineIntervals) * this.#intervalMs
    return peer.since + forgottenIntervals * this.#intervalMs
  }

  #put(key: PeerKey, place: Place, now: number, edit: (peer: TwinPeer) => void): PeerChange | undefined {
    let peer = this.find(key)
    const before = peer === undefined ? undefined : this.#say(peer, this.liveness(peer), undefined)
    if (peer === undefined) {
      if (this.peers.length >= this.#settings.maxPeers) this.#pushOut(this.#leastUseful(), now)
      const times = {
        seenAt: NEVER,
        since: NEVER,
        announcedAt: NEVER,
        roleStatedAt: NEVER,
        roleChangedAt: NEVER,
        namedAt: NEVER,
      }
      peer = { key, place, name: '', isMet: false, isOurs: false, isRelay: false, ...times }
    } else this.peers.splice(this.peers.indexOf(peer), 1)
    edit(peer)
    peer.place = place
    this.peers.push(peer)
    return this.#news(before, peer)
  }

  #leastUseful(): TwinPeer {
    const lanes = Array.from({ length: this.#settings.hintSources }, (_, index) => `lane ${index}`)
    const groups = lanes.map((lane) => this.peers.filter((peer) => peer.place === lane))
    const most = Math.max(...groups.map((group) => group.length))
    if (most > 0) return groups.find((group) => group.length === most)![0]!
    for (const isMet of [false, true]) {
      for (const place of ['offline', 'stale', 'online', 'connected']) {
        const first = this.peers.find((peer) => peer.place === place && peer.isMet === isMet)
        if (first !== undefined) return first
      }
    }
    throw new Error('nobody is here')
  }

  #pushOut(peer: TwinPeer, now: number): void {
    this.peers.splice(this.peers.indexOf(peer), 1)
    this.pushedOut.push(this.#say(peer, 'forgotten', this.liveness(peer)))
    this.pushedOutAt = Math.min(this.pushedOutAt, now)
  }

  #laneOf(source: PeerKey): `lane ${number}` {
    let index = this.#sources.indexOf(source)
    if (index < 0) {
      index = this.#turn
      this.#turn = (index + 1) % this.#settings.hintSources
      this.#sources[index] = source
    }
    return `lane ${index}`
  }

  #say(peer: TwinPeer, liveness: PeerChange['liveness'], before: PeerChange['before']): PeerChange {
    const role = peer.isRelay ? 'Relay' : 'Peer'
    return { peer: peer.key, liveness, before, name: peer.name, role, isVerified: !peer.place.startsWith('lane') }
  }

  #news(before: PeerChange | undefined, peer: TwinPeer): PeerChange | undefined {
    const after = this.#say(peer, this.liveness(peer), undefined)
    const liveness = before?.liveness === 'forgotten' ? undefined : before?.liveness
    return JSON.stringify(before) === JSON.stringify(after) ? undefined : { ...after, before: liveness }
  }
}
