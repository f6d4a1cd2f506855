/** What routers do to packets, as nftables text: the kinds of NAT of spec/disco-stun-nat.md §8.2 and the firewalls of the scenarios. Pure. */

/** open: full cone; moderate: port-restricted, as Linux masquerades; strict: symmetric with random ports. */
export type NatKind = 'none' | 'open' | 'moderate' | 'strict'
export const NAT_KINDS: readonly NatKind[] = ['none', 'open', 'moderate', 'strict']

/**
 * home: IPv6 from outside only as an answer. guest: outward only to ports 443 and UDP above 1024, inward only answers. no-udp: nothing by UDP, either way. none: IPv6 comes in
 * unasked too.
 */
export type Firewall = 'none' | 'home' | 'guest' | 'no-udp'

/** `wan` is the outer interface, `lan…` are the inner ones. */
export function routerRules(nat: NatKind, firewall: Firewall): string {
  return `${nat === 'none' ? '' : natTable(nat)}${wallTable(firewall)}`
}

function natTable(nat: Exclude<NatKind, 'none'>): string {
  const masquerade = `oifname "wan" masquerade${nat === 'strict' ? ' fully-random' : ''}`
  const fullCone =
    nat !== 'open'
      ? ''
      : ` map fc { type inet_service : ipv4_addr . inet_service; flags timeout; timeout 120s; }
 chain out { type filter hook postrouting priority mangle; oifname "wan" meta l4proto udp update @fc { udp sport : ip saddr . udp sport }; }
 chain back { type nat hook prerouting priority dstnat; iifname "wan" meta l4proto udp dnat ip to udp dport map @fc; }
`
  return `table ip nat {
${fullCone} chain post { type nat hook postrouting priority srcnat; ${masquerade}; }
}
`
}

const OUTWARD: Readonly<Record<Firewall, readonly string[]>> = {
  none: [],
  home: ['iifname "wan" meta nfproto ipv6 meta l4proto != ipv6-icmp drop'],
  guest: [
    'iifname "wan" drop',
    'iifname "lan*" tcp dport 443 accept',
    'iifname "lan*" udp dport 443 accept',
    'iifname "lan*" udp dport > 1024 accept',
    'iifname "lan*" meta l4proto { icmp, ipv6-icmp } accept',
    'drop',
  ],
  'no-udp': ['meta l4proto udp drop', 'iifname "wan" meta nfproto ipv6 meta l4proto != ipv6-icmp drop'],
}

/**
 * The input chain is what makes punching possible at all: a peer's early packet that reached the router itself would leave an entry in its connection table which takes the
 * reply's place, and the client's later packet to that peer would get another port (§8.2).
 */
function wallTable(firewall: Firewall): string {
  const answers =
    firewall === 'no-udp'
      ? 'meta l4proto != udp ct state established,related accept'
      : 'ct state established,related accept'
  const translated = 'iifname "wan" ct status dnat accept'
  const lines = firewall === 'none' ? [] : [answers, translated, ...OUTWARD[firewall]]
  return `table inet wall {
 chain input { type filter hook input priority 0; policy accept; iifname "wan" meta l4proto udp drop; }
 chain forward { type filter hook forward priority 0; policy accept; ${lines.map((line) => `${line}; `).join('')}}
}
`
}

/** The internet itself: it forwards everything but what is cut. */
export const CORE_RULES = `table inet core {
 set down { type ifname; }
 set apart { type ifname . ifname; }
 chain forward { type filter hook forward priority 0; policy accept; iifname @down drop; oifname @down drop; iifname . oifname @apart drop; }
}
`

/** Counts what a host sends to its peer: all UDP but address discovery, STUN and DNS. */
export const HOST_RULES = `table inet count {
 counter peer { }
 chain out { type filter hook output priority 0; policy accept; oifname != "lo" meta l4proto udp udp dport != { 53, 3478, 3479, 7842 } counter name peer; }
}
`
