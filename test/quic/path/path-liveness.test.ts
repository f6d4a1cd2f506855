import { describe, expect, test } from 'vitest'
import { PathLiveness } from '../../../src/quic/path/path-liveness.ts'

const MIN = 1500
const NEVER = Number.POSITIVE_INFINITY

interface World {
  /** The other path answers after so long, ms; undefined: not at all. A function of when it was asked. */
  readonly other: (askedAt: number) => number | undefined
  readonly ptoMs?: number
  readonly until?: number
  /** The watched path hears something at these times. */
  readonly heard?: readonly number[]
}

/** Something is sent at 0; the steps, with their times. Challenges and pings go out at once. */
function play({ other, ptoMs = 100, until = 10_000, heard = [] }: World): [number, string][] {
  const path = new PathLiveness(MIN)
  path.sent(0)
  const steps: [number, string][] = []
  const answers: { at: number; askedAt: number }[] = []
  const hears = [...heard]
  for (let now = 0; ; ) {
    const answer = answers.toSorted((left, right) => left.at - right.at)[0]
    now = Math.max(now, Math.min(path.deadline(ptoMs), answer?.at ?? NEVER, hears[0] ?? NEVER))
    if (now > until) return steps
    if (hears[0] === now) {
      hears.shift()
      path.answered(now, false)
      continue
    }
    if (answer?.at === now) {
      answers.splice(answers.indexOf(answer), 1)
      path.otherAnswered(answer.askedAt, now, ptoMs)
      continue
    }
    const step = path.tick(now, ptoMs)
    if (step === 'none') continue
    steps.push([now, step])
    if (step === 'dead') continue
    if (step === 'challenge') path.challenged(now)
    const delay = other(now)
    if (delay !== undefined) answers.push({ at: now + delay, askedAt: now })
  }
}

const names = (steps: readonly [number, string][]) => steps.map(([, name]) => name)
const deadAt = (steps: readonly [number, string][]) => steps.find(([, name]) => name === 'dead')?.[0]

describe('dead', () => {
  test('the others are asked, then the path four times over what is left of the silence, then it is dead; once', () => {
    expect(play({ other: () => 20 })).toEqual([
      [500, 'ask-others'],
      [520, 'challenge'],
      [813, 'challenge'],
      [1106, 'challenge'],
      [1399, 'challenge'],
      [1500, 'dead'],
    ])
  })

  test('within max(minimum, three probe timeouts) and one round trip of the other path', () => {
    for (const ptoMs of [10, 50, 100, 300, 500, 501, 800, 1500])
      for (const rtt of [1, 20, 100, 300, 600]) {
        const bound = Math.max(MIN, 3 * ptoMs)
        const at = deadAt(play({ other: () => rtt, ptoMs, until: 30_000 }))!
        expect(at, `PTO ${ptoMs}, RTT ${rtt}`).toBeGreaterThanOrEqual(bound)
        expect(at, `PTO ${ptoMs}, RTT ${rtt}`).toBeLessThanOrEqual(bound + rtt)
      }
  })

  test('a silence that goes on after an answer counts from the answer', () => {
    const path = new PathLiveness(MIN)
    path.sent(0)
    path.answered(400, true)
    expect(path.deadline(100)).toBe(900)
    path.sent(500)
    expect(path.deadline(100)).toBe(900)
    path.answered(600, false)
    expect(path.deadline(100)).toBe(NEVER)
    path.sent(700)
    expect(path.deadline(100)).toBe(1200)
  })

  test('after another silence it is told again', () => {
    const path = new PathLiveness(MIN)
    const die = (start: number): void => {
      path.sent(start)
      let now = start
      const steps: string[] = []
      while (path.deadline(100) < NEVER || steps.length === 1) {
        now = Math.max(now, Math.min(path.deadline(100), start + 5000))
        const step = path.tick(now, 100)
        steps.push(step)
        if (step === 'challenge') path.challenged(now)
        path.otherAnswered(now, now, 100)
      }
      expect(steps.at(-1)).toBe('dead')
    }
    die(0)
    path.answered(10_000, false)
    die(20_000)
  })
})

describe('not dead', () => {
  test('nothing was sent', () => {
    const path = new PathLiveness(MIN)
    expect(path.deadline(100)).toBe(NEVER)
    expect(path.tick(1e6, 100)).toBe('none')
  })

  test('no other path answers: the link that they share is silent', () => {
    expect(play({ other: () => undefined })).toEqual([[500, 'ask-others']])
  })

  test('the other path answers nothing that went out together with the challenges', () => {
    // a burst from just after the first answer on
    const steps = play({ other: (askedAt) => (askedAt < 510 ? 20 : undefined) })
    expect(names(steps.slice(0, 2))).toEqual(['ask-others', 'challenge'])
    expect(deadAt(steps)).toBeUndefined()
    // who cannot be judged is asked less and less
    const challenges = steps.filter(([, name]) => name === 'challenge').map(([at]) => at)
    expect(challenges.at(-1)! - challenges.at(-2)!).toBe(2000)
  })

  test('one pair of question and answer is not enough', () => {
    let pairs = 0
    const steps = play({ other: (askedAt) => (askedAt === 500 || pairs++ < 1 ? 20 : undefined) })
    expect(pairs).toBeGreaterThan(3)
    expect(deadAt(steps)).toBeUndefined()
  })

  test('what the other path had sent before it was asked proves nothing', () => {
    const path = new PathLiveness(MIN)
    path.sent(0)
    expect(path.tick(500, 100)).toBe('ask-others')
    path.otherAnswered(499, 600, 100)
    expect(path.deadline(100)).toBe(NEVER)
    path.otherAnswered(500, 600, 100)
    expect(path.deadline(100)).toBe(600)
  })

  test('what the other path had sent before or long after a challenge is not its counterpart', () => {
    for (const [offset, expected] of [
      [-1, 'challenge'],
      [0, 'dead'],
      [49, 'dead'],
      [50, 'challenge'],
    ] as const) {
      const path = new PathLiveness(MIN)
      path.sent(0)
      path.tick(500, 100)
      path.otherAnswered(500, 510, 100)
      for (const at of [600, 700, 800]) path.challenged(at)
      for (const at of [600, 700]) path.otherAnswered(at + offset, 900, 100)
      expect(path.tick(1500, 100), String(offset)).toBe(expected)
    }
  })

  test('challenges closer together than 50 ms count as one', () => {
    const path = new PathLiveness(MIN)
    path.sent(0)
    path.tick(500, 100)
    path.otherAnswered(500, 510, 100)
    for (const at of [600, 610, 620, 630, 640]) path.challenged(at)
    path.otherAnswered(600, 700, 100)
    path.otherAnswered(610, 700, 100)
    expect(path.tick(1500, 100)).toBe('challenge')
  })

  test('the path is heard before the silence was long enough', () => {
    for (const at of [10, 499, 520, 900, 1499]) expect(deadAt(play({ other: () => 20, heard: [at] }))).toBeUndefined()
  })

  test('the last challenge that counts is younger than a probe timeout', () => {
    const path = new PathLiveness(MIN)
    path.sent(0)
    path.tick(500, 400)
    path.otherAnswered(500, 510, 400)
    for (const at of [1300, 1350, 1400]) {
      path.challenged(at)
      path.otherAnswered(at, at + 10, 400)
    }
    const steps: [number, string][] = []
    for (let now = 1450; now < 1800; now = Math.max(now + 1, path.deadline(400))) {
      const step = path.tick(now, 400)
      if (step !== 'none') steps.push([now, step])
    }
    expect(deadAt(steps)).toBe(1750)
  })
})
