import { expect, test } from 'vitest'
import { RecentAnswers } from '../../src/bytes/index.ts'

test('what was answered is remembered, false as well', () => {
  const answers = new RecentAnswers<boolean>(10)
  expect(answers.get('a')).toBeUndefined()
  answers.set('a', false)
  answers.set('b', true)
  expect([answers.get('a'), answers.get('b'), answers.size]).toEqual([false, true, 2])
  answers.set('a', true)
  expect([answers.get('a'), answers.size]).toEqual([true, 2])
})

test('never more than the capacity, and what is asked for again and again stays', () => {
  const answers = new RecentAnswers<number>(10)
  for (let index = 0; index < 1_000; index++) {
    answers.set(`${index}`, index)
    expect(answers.size).toBeLessThanOrEqual(10)
    answers.get('0')
  }
  expect(answers.get('0')).toBe(0)
  expect(answers.get('999')).toBe(999)
  expect(answers.get('500')).toBeUndefined()
})

test('the least capacity remembers one', () => {
  const answers = new RecentAnswers<number>(0)
  answers.set('a', 1)
  answers.set('b', 2)
  expect([answers.get('b'), answers.size]).toEqual([2, 1])
})
