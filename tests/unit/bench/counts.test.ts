import { expect, test } from 'vitest'
import { treeOf } from '../../../bench/processor-time.ts'
import { countCommands } from '../../../bench/redis-commands.ts'

test('commands of a job are counted without the worker’s SET and without other jobs', () => {
  const lines = [
    '1.1 [0 127.0.0.1:1] "evalsha" "ab" "1" "{bench:other}:claim"',
    '1.2 [0 127.0.0.1:2] "SUBSCRIBE" "__keyspace@0__:bench:job"',
    '1.3 [0 127.0.0.1:1] "SET" "{bench:job}:claim" "job" "NX" "GET" "EX" "600"',
    '1.4 [0 127.0.0.1:3] "SET" "bench:job" "{}"',
    '1.5 [0 127.0.0.1:1] "EVALSHA" "ab" "1" "bench:job"',
    '1.5 [0 lua] "get" "bench:job"',
    '1.6 [0 127.0.0.1:2] "unsubscribe" "__keyspace@0__:bench:job"',
  ]
  expect(countCommands(lines)).toEqual({
    sent: 4,
    all: 5,
    names: 'SUBSCRIBE SET EVALSHA UNSUBSCRIBE',
  })
})

test('MONITOR lines without a SUBSCRIBE are refused, for they tell of no job', () => {
  expect(() => countCommands(['1.1 [0 127.0.0.1:1] "ping"'])).toThrow('no SUBSCRIBE')
})

test('the tree of a process has its children and theirs, and no neighbour', () => {
  const parents = new Map([
    [10, 1],
    [11, 10],
    [12, 11],
    [20, 1],
  ])
  expect(treeOf(10, parents)).toEqual([10, 11, 12])
})
