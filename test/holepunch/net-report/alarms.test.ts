import { expect, test } from 'vitest'
import { Alarms } from '../../../src/holepunch/net-report/alarms.ts'
import { VirtualPlatform } from '../../driver/virtual-platform.ts'

function create() {
  const platform = new VirtualPlatform()
  const alarms = new Alarms(platform)
  const heard: string[] = []
  const started = platform.time
  const after = (ms: number, name: string) => alarms.after(ms, () => heard.push(`${name} ${platform.time - started}`))
  return { platform, alarms, heard, after }
}

test('each fires once, at its time, those of one time in the order they were made', () => {
  const { platform, heard, after } = create()
  after(30, 'c')
  after(10, 'a')
  after(10, 'b')
  platform.advance(100)
  expect(heard).toEqual(['a 10', 'b 10', 'c 30'])
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

test('cancelled ones do not fire, and the timer is only armed for the others', () => {
  const { platform, alarms, heard, after } = create()
  const cancel = after(10, 'a')
  after(20, 'b')
  cancel()
  cancel()
  expect(platform.nextTimer).toBe(platform.time + 20)
  platform.advance(15)
  after(100, 'c')
  alarms.clear()
  platform.advance(1000)
  expect(heard).toEqual([])
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

test('a callback may cancel what is due with it, clear, and ask for more', () => {
  const { platform, alarms, heard, after } = create()
  let cancel = () => {}
  alarms.after(10, () => {
    cancel()
    after(0, 'at once')
  })
  cancel = after(10, 'cancelled')
  platform.advance(10)
  expect(heard).toEqual(['at once 10'])
  alarms.after(1, () => alarms.clear())
  after(1, 'cleared')
  platform.advance(10)
  expect(heard).toEqual(['at once 10'])
  expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
})

test('a timer that comes late fires them in the order of their times', () => {
  const { platform, heard, after } = create()
  after(20, 'b')
  after(10, 'a')
  platform.time += 100
  platform.advance(0)
  expect(heard).toEqual(['a 100', 'b 100'])
})
