import { describe, expect, test } from 'vitest'
import { ALL_SURVIVES, type DiskFault, FaultyFolder, NONE_SURVIVES } from '../../sim/support/faulty-folder.ts'
import { judge, Play, recordsOf, type ScriptStep, sorted, survivals } from './crash.ts'
import { delivered, drop, keep, keyOf, message, openJournal, stateAfter, textOf, WALL } from './support.ts'

const kept = message('b')

/** Makes the first file, adds to it one by one and in batches, compacts for its own sake and because something expired. */
const SCRIPT: readonly ScriptStep[] = [
  [keep('a')],
  [{ kind: 'keep', message: kept }, delivered('x'), keep('c')],
  [drop('a'), { kind: 'keep', message: { ...kept, holders: [keyOf('h')] } }],
  [keep('d', { length: 250 }), drop('d')],
  [drop('c'), delivered('y'), keep('e', { length: 100, expiresAt: WALL + 3000 }), drop('b')],
  { tidy: WALL + 2000 },
  [keep('f')],
  { tidy: WALL + 4000 },
  [keep('a', { length: 3 }), delivered('z')],
  [drop('f'), keep('g')],
]

/** Calls of a run without faults. */
async function callsOf(script: readonly ScriptStep[]): Promise<string[]> {
  const folder = new FaultyFolder()
  const calls: string[] = []
  folder.onStep = ({ call, name }) => {
    calls.push(`${call} ${name}`)
    return undefined
  }
  await new Play().run(folder, script)
  return calls
}

async function playWith(
  fault: (number: number) => DiskFault | undefined,
): Promise<{ play: Play; folder: FaultyFolder }> {
  const folder = new FaultyFolder()
  folder.onStep = ({ number }) => fault(number)
  const play = new Play()
  await play.run(folder, SCRIPT)
  return { play, folder }
}

describe('BAK-1: a crash at any instruction', () => {
  test('the script does all there is to do', async () => {
    const calls = await callsOf(SCRIPT)
    const count = (pattern: RegExp): number => calls.filter((call) => pattern.test(call)).length
    expect(count(/^rename/)).toBe(3)
    expect(count(/^remove journal-\d+$/)).toBe(2)
    expect(count(/^append journal-\d+$/)).toBeGreaterThanOrEqual(6)
    expect(calls.at(-1)).toBe('close journal-3')
  })

  test('BAK-1: between any two steps, whatever survives: all that was durable, and nothing that was not appended', async () => {
    const { length } = await callsOf(SCRIPT)
    let judged = 0
    // after a step is before the next one, where as much or more has been promised; the last round crashes after the end
    for (let number = 0; number <= length; number++) {
      const { play, folder } = await playWith((step) =>
        step === number ? { kind: 'crash', when: 'before' } : undefined,
      )
      const allowed = play.allowed()
      for (const { survival, what, hasHoles } of survivals(folder)) {
        const options = { isLoose: hasHoles, isQuick: judged++ % 5 > 0 }
        await judge(play, folder.crash(survival), allowed, `before step ${number}, ${what}`, options)
      }
    }
    expect(judged).toBeGreaterThan(800)
  })

  test('BAK-1: a second crash at any step of the recovery from the first', async () => {
    const { length } = await callsOf(SCRIPT)
    let judged = 0
    for (let number = 0; number < length; number++) {
      const { play, folder } = await playWith((step) =>
        step === number ? { kind: 'crash', when: 'after' } : undefined,
      )
      const allowed = play.allowed()
      for (const first of survivals(folder, 3).filter(({ hasHoles }) => !hasHoles)) {
        for (let again = 0; ; again++) {
          const left = folder.crash(first.survival)
          left.onStep = (step) => (step.number === again ? { kind: 'crash', when: 'before' } : undefined)
          const opened = openJournal(left, { wall: play.wall })
          const isOpen = await Promise.race([opened.then(() => true), left.crashed.then(() => false)])
          if (isOpen) break
          for (const second of survivals(left, 2).filter(({ hasHoles }) => !hasHoles)) {
            const what = `step ${number}, ${first.what}, recovery ${again}, ${second.what}`
            await judge(play, left.crash(second.survival), allowed, what, { isQuick: judged++ % 5 > 0 })
          }
        }
      }
    }
    expect(judged).toBeGreaterThan(1000)
  })

  test('BAK-1: what a killed process left unsynced is on the disk before its successor builds on it', async () => {
    const { length } = await callsOf(SCRIPT)
    for (let number = 0; number < length; number++) {
      const { play, folder } = await playWith((step) =>
        step === number ? { kind: 'crash', when: 'after' } : undefined,
      )
      const next = folder.kill()
      const { restored } = await openJournal(next, { wall: play.wall })
      expect(play.allowed(), `step ${number}`).toContain(sorted(textOf(restored)))
      for (const survival of [NONE_SURVIVES, ALL_SURVIVES]) {
        const last = await openJournal(next.crash(survival), { wall: play.wall })
        expect(textOf(last.restored), `step ${number}`).toBe(stateAfter(recordsOf(restored), play.wall))
      }
    }
  })
})

describe('BAK-1: a new file whose name is not on the disk yet', () => {
  test('is not relied on before it is: killed after the change of names, and a crash at any step of the recovery', async () => {
    const calls = await callsOf(SCRIPT)
    let judged = 0
    for (const [number, call] of calls.entries()) {
      if (!/^(rename|sync-names|remove)/.test(call)) continue
      for (let again = 0; ; again++) {
        const { play, folder } = await playWith((step) =>
          step === number ? { kind: 'crash', when: 'before' } : undefined,
        )
        const next = folder.kill()
        const allowed = play.allowed()
        next.onStep = (step) => (step.number === again ? { kind: 'crash', when: 'before' } : undefined)
        const opened = openJournal(next, { wall: play.wall })
        const isOpen = await Promise.race([opened.then(() => true), next.crashed.then(() => false)])
        for (const { survival, what, hasHoles } of survivals(next, 2)) {
          const name = `killed at ${number}, ${call}, recovery ${again}, ${what}`
          if (!hasHoles) await judge(play, next.crash(survival), allowed, name, { isQuick: judged++ % 5 > 0 })
        }
        if (isOpen) break
      }
    }
    expect(judged).toBeGreaterThan(200)
  })
})

describe('spec/envelope.md §6: a disk that fails', () => {
  /** How a step may fail: with nothing, a part or all of it done. */
  const FAULTS = ['ENOSPC', 'EIO'].flatMap((code) =>
    [0, 1, 30].map((done): DiskFault => ({ kind: 'fail', code, done })),
  )

  test('one failure at any step: it is reported, nothing that was durable is lost, and the rest is written with the next', async () => {
    const calls = await callsOf(SCRIPT)
    let reported = 0
    for (const fault of FAULTS) {
      // a folder that cannot be read, or where nothing can be made, is no folder
      for (let number = 8; number < calls.length - 1; number++) {
        const { play, folder } = await playWith((step) => (step === number ? fault : undefined))
        const what = `${JSON.stringify(fault)} at step ${number}, ${calls[number]}`
        expect(play.errors.length, what).toBeLessThanOrEqual(1)
        expect(play.answers, what).not.toContain(undefined)
        reported += play.errors.length
        if (play.answers.includes(false)) expect(play.errors.length, what).toBe(1)
        // after the last word all is there, whatever was said on the way
        const left = folder.crash(NONE_SURVIVES)
        const { restored } = await openJournal(left, { wall: play.wall })
        const faults = play.faults(restored)
        const whole = stateAfter(play.appended, play.wall)
        expect([faults, sorted(textOf(restored))], what).toEqual([[], sorted(whole)])
        await judge(play, folder.crash(NONE_SURVIVES), new Set(), what, { isLoose: true })
      }
    }
    expect(reported).toBeGreaterThan(100)
  })

  test('a failure at any step and a crash at any later one', async () => {
    const { length } = await callsOf(SCRIPT)
    for (const fault of FAULTS.filter(({ kind }) => kind === 'fail').slice(1, 5)) {
      for (let number = 8; number < length; number++) {
        // every seventh, each time others: the whole square takes longer than all other tests here
        for (let later = number + 1 + (number % 7); ; later += 7) {
          const { play, folder } = await playWith((step) =>
            step === number ? fault : step === later ? { kind: 'crash', when: 'before' } : undefined,
          )
          if (folder.steps <= later) break
          for (const { survival, what } of survivals(folder, 1)) {
            const name = `${JSON.stringify(fault)} at ${number}, crash at ${later}, ${what}`
            await judge(play, folder.crash(survival), new Set(), name, { isLoose: true })
          }
        }
      }
    }
  })
})
