"""A link between two namespaces: two TUN devices and this program between them, for the kernel at hand has no netem.

    link.py tun NAME_A NAME_B CONDITIONS      both devices are made where it runs; whoever starts it moves them
    link.py chain LOSS_PCT BURST COUNT SEED   the loss alone, as a list of 0 and 1 (for its test)

CONDITIONS is JSON: {"rttMs", "jitterMs", "rateKbit", "lossPct", "burst"}; half of the round trip is spent each way. One JSON line a command on
stdin: {"set": CONDITIONS, "way": "up" | "down" | "both"}, {"cut": true | false}, {"stats": true}. "up" is from A to B. It ends with its stdin.
"""

import collections
import fcntl
import json
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
# A queue holds this much time at the link's rate, at least this many bytes: home routers and modems have more rather than less.
QUEUE_S = 0.25
QUEUE_BYTES = 16 * 1500


class Chain:
    """Gilbert-Elliott: everything is lost in the bad state, nothing in the good one. A step a packet."""

    def __init__(self, loss_pct, burst, rng):
        share = min(max(loss_pct / 100.0, 0.0), 0.99)
        self.leave_bad = 1.0 / max(burst, 1.0)
        self.leave_good = self.leave_bad * share / (1.0 - share)
        self.rng = rng
        self.bad = False

    def lost(self):
        leave = self.leave_bad if self.bad else self.leave_good
        if leave > 0.0 and self.rng.random() < leave:
            self.bad = not self.bad
        return self.bad


class Way:
    """One direction: loss, then a queue of limited rate, then delay. Packets stay in order."""

    def __init__(self, out, rng):
        self.out = out
        self.rng = rng
        self.waiting = collections.deque()
        self.busy_until = 0.0
        self.last_due = 0.0
        self.forwarded = self.lost = self.overflowed = 0
        self.chain = Chain(0, 1, rng)
        self.set({})

    def set(self, conditions):
        self.delay = conditions.get("rttMs", 0) / 2000.0
        self.jitter = conditions.get("jitterMs", 0) / 1000.0
        self.bytes_a_second = conditions.get("rateKbit", 0) * 125.0
        was_bad = self.chain.bad
        self.chain = Chain(conditions.get("lossPct", 0), conditions.get("burst", 1), self.rng)
        self.chain.bad = was_bad and conditions.get("lossPct", 0) > 0

    def take(self, packet, now):
        if self.chain.lost():
            self.lost += 1
            return
        leaves = now
        if self.bytes_a_second > 0:
            start = max(now, self.busy_until)
            room = max(self.bytes_a_second * max(QUEUE_S, 2 * self.delay), QUEUE_BYTES)
            if (start - now) * self.bytes_a_second + len(packet) > room:
                self.overflowed += 1
                return
            leaves = self.busy_until = start + len(packet) / self.bytes_a_second
        wobble = self.rng.uniform(-self.jitter, self.jitter) if self.jitter > 0 else 0.0
        due = max(self.last_due, leaves + max(0.0, self.delay + wobble))
        self.last_due = due
        self.waiting.append((due, packet))

    def deliver(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            _, packet = self.waiting.popleft()
            try:
                os.write(self.out, packet)
                self.forwarded += 1
            except OSError:
                self.lost += 1  # the device is down: as on a cable that is out

    def next_due(self):
        return self.waiting[0][0] if self.waiting else None


def open_tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def run(name_a, name_b, conditions):
    a, b = open_tun(name_a), open_tun(name_b)
    rng = random.Random()
    up, down = Way(b, rng), Way(a, rng)
    up.set(conditions)
    down.set(conditions)
    cut = False
    pending = b""
    say({"event": "ready"})
    while True:
        now = time.monotonic()
        up.deliver(now)
        down.deliver(now)
        dues = [due for due in (up.next_due(), down.next_due()) if due is not None]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        readable, _, _ = select.select([a, b, 0], [], [], timeout)
        for device, way in ((a, up), (b, down)):
            if device not in readable:
                continue
            for packet in packets(device):
                if cut:
                    way.lost += 1
                else:
                    way.take(packet, time.monotonic())
        if 0 in readable:
            text = os.read(0, 65536)
            if not text:
                return
            pending += text
            *lines, pending = pending.split(b"\n")
            for line in lines:
                command = json.loads(line)
                if "set" in command:
                    wanted = command.get("way", "both")
                    for label, way in (("up", up), ("down", down)):
                        if wanted in (label, "both"):
                            way.set(command["set"])
                if "cut" in command:
                    cut = command["cut"]
                if "stats" in command:
                    say({"event": "stats", "up": counts(up), "down": counts(down)})


def packets(device):
    for _ in range(64):
        try:
            yield os.read(device, 65536)
        except OSError:
            return


def counts(way):
    return {"forwarded": way.forwarded, "lost": way.lost, "overflowed": way.overflowed}


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "chain":
        chain = Chain(float(sys.argv[2]), float(sys.argv[3]), random.Random(int(sys.argv[5])))
        sys.stdout.write("".join("1" if chain.lost() else "0" for _ in range(int(sys.argv[4]))) + "\n")
    else:
        run(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
