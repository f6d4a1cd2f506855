import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { FolderLockedError, NodeFolder } from '../../src/platform/node/index.ts'
import { FaultyFolder } from '../sim/support/faulty-folder.ts'

const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function temporaryPath(): string {
  const path = mkdtempSync(join(tmpdir(), 'tom-folder-'))
  cleanUps.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function openFolder(path = temporaryPath()): Promise<NodeFolder> {
  const folder = await NodeFolder.open(path)
  cleanUps.push(() => folder.close())
  return folder
}

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString()

describe.each([
  ['NodeFolder', openFolder],
  ['FaultyFolder, when nothing fails', async () => new FaultyFolder()],
])('%s is a Folder', (_, open) => {
  test('what is appended is read, in pieces and after opening again', async () => {
    const folder = await open()
    expect(await folder.read('a')).toBeUndefined()
    const file = await folder.open('a')
    expect(file.size).toBe(0)
    await file.append(Buffer.from('one '))
    await file.append(new Uint8Array(0))
    await file.append(Buffer.from('two'))
    await file.sync()
    expect(file.size).toBe(7)
    await file.close()
    const again = await folder.open('a')
    expect(again.size).toBe(7)
    await again.append(Buffer.from(' three'))
    await again.close()
    expect(text(await folder.read('a'))).toBe('one two three')
  })

  test('a file that was cut goes on where it was cut', async () => {
    const folder = await open()
    const file = await folder.open('a')
    await file.append(Buffer.from('keep this, not that'))
    await file.truncate(9)
    expect(file.size).toBe(9)
    await file.append(Buffer.from('!'))
    await file.sync()
    await file.close()
    expect(text(await folder.read('a'))).toBe('keep this!')
  })

  test('renaming replaces, removing what is not there does nothing', async () => {
    const folder = await open()
    for (const name of ['a', 'b.tmp']) {
      const file = await folder.open(name)
      await file.append(Buffer.from(name))
      await file.close()
    }
    expect([...(await folder.list())].sort()).toEqual(['a', 'b.tmp'])
    await folder.rename('b.tmp', 'a')
    await folder.sync()
    expect(await folder.list()).toEqual(['a'])
    expect(text(await folder.read('a'))).toBe('b.tmp')
    await expect(folder.rename('b.tmp', 'a')).rejects.toMatchObject({ code: 'ENOENT' })
    await folder.remove('a')
    await folder.remove('a')
    expect(await folder.list()).toEqual([])
  })

  test('a name is open once at a time', async () => {
    const folder = await open()
    const file = await folder.open('a')
    await expect(folder.open('a')).rejects.toThrow('open already')
    await file.close()
    await (await folder.open('a')).close()
  })
})

describe('NodeFolder', () => {
  test('makes its folder and those above it', async () => {
    const path = join(temporaryPath(), 'one', 'two')
    const folder = await openFolder(path)
    expect(folder.path).toBe(path)
    await (await folder.open('a')).close()
    expect(existsSync(join(path, 'a'))).toBe(true)
  })

  test.skipIf(process.platform === 'win32')('keeps what is in it from others', async () => {
    const above = temporaryPath()
    const path = join(above, 'made')
    const folder = await openFolder(path)
    await (await folder.open('a')).close()
    const mode = (name: string): number => statSync(name).mode & 0o777
    expect([mode(path), mode(join(path, 'a')), mode(join(path, 'lock'))]).toEqual([0o700, 0o600, 0o600])
    // what the user made is as the user made it
    const given = join(above, 'given')
    mkdirSync(given)
    chmodSync(given, 0o755)
    await openFolder(given)
    expect(mode(given)).toBe(0o755)
  })

  test.each(['', '.', '..', '../a', 'a/b', '/a', '.hidden', 'a\0b', 'a\\b', 'ä', 'x'.repeat(129)])(
    'the name %j throws at the call or rejects, and touches nothing',
    async (name) => {
      const folder = await openFolder()
      for (const call of [
        () => folder.open(name),
        () => folder.read(name),
        async () => folder.remove(name),
        async () => folder.rename(name, 'a'),
        async () => folder.rename('a', name),
      ])
        await expect(call()).rejects.toThrow(TypeError)
    },
  )

  test('errors of the system arrive with their codes', async () => {
    const path = temporaryPath()
    writeFileSync(join(path, 'file'), '')
    await expect(NodeFolder.open(join(path, 'file'))).rejects.toMatchObject({
      code: expect.stringMatching(/EEXIST|ENOTDIR/),
    })
    const folder = await openFolder(join(path, 'folder'))
    mkdirSync(join(path, 'folder', 'sub'))
    expect(await folder.list()).toEqual([])
    await expect(folder.open('sub')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(folder.read('sub')).rejects.toMatchObject({ code: 'EISDIR' })
    const file = await folder.open('a')
    await file.close()
    await expect(file.append(Buffer.from('late'))).rejects.toThrow()
  })
})

describe('the lock of a NodeFolder', () => {
  const holder = (path: string): Record<string, unknown> => JSON.parse(readFileSync(join(path, 'lock'), 'utf8'))

  test('a second one in this process is refused, until the first is closed', async () => {
    const path = temporaryPath()
    const first = await openFolder(path)
    const refusal = await NodeFolder.open(path).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(refusal).toBeInstanceOf(FolderLockedError)
    expect(refusal).toMatchObject({
      code: 'FOLDER_LOCKED',
      pid: process.pid,
      host: hostname(),
      message: expect.stringContaining('this process uses'),
    })
    await first.close()
    await first.close()
    const second = await openFolder(path)
    expect(await second.list()).toEqual([])
    await second.close()
    expect(existsSync(join(path, 'lock'))).toBe(false)
  })

  test('of several who find the lock of one that is gone, one has it, whoever comes when', async () => {
    const path = temporaryPath()
    for (let stagger = 0; stagger < 24; stagger++) {
      writeFileSync(join(path, 'lock'), JSON.stringify({ pid: 2 ** 30, host: hostname(), started: '1', startedAt: 1 }))
      const opened: Promise<NodeFolder>[] = []
      for (let index = 0; index < 4; index++) {
        const opening = NodeFolder.open(path)
        // it may fail before it is waited for
        opening.catch(() => {})
        opened.push(opening)
        for (let turn = 0; turn < stagger % 8; turn++) await new Promise(setImmediate)
      }
      const results = await Promise.allSettled(opened)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(FolderLockedError)
        else await result.value.close()
      }
    }
  })

  test('one that died while it took over is taken over as well, and nothing of it stays', async () => {
    const path = temporaryPath()
    const dead = (token: string): string =>
      JSON.stringify({ pid: 2 ** 30, host: hostname(), space: '', started: '1', startedAt: 1, token })
    const right = (name: string, content: string): string =>
      `${name}-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
    const first = right('lock', dead('a'))
    writeFileSync(join(path, 'lock'), dead('a'))
    writeFileSync(join(path, first), dead('b'))
    writeFileSync(join(path, right(first, dead('b'))), dead('c'))
    const folder = await openFolder(path)
    expect(holder(path).pid).toBe(process.pid)
    expect(readdirSync(path)).toEqual(['lock'])
    expect(await folder.list()).toEqual([])
  })

  test('another process is named while it lives; when it is killed, the lock is taken over', async () => {
    const path = temporaryPath()
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program(path)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    cleanUps.push(() => end(child))
    const [line] = await once(child.stdout, 'data')
    expect(String(line)).toBe('open\n')
    await expect(NodeFolder.open(path)).rejects.toMatchObject({
      code: 'FOLDER_LOCKED',
      pid: child.pid,
      message: expect.stringContaining(`process ${child.pid} uses this folder already`),
    })
    await end(child)
    await openFolder(path)
    expect(holder(path).pid).toBe(process.pid)
  })

  test.each<[string, string | object]>([
    ['is gone', { pid: 2 ** 30, host: hostname(), started: '', startedAt: 0 }],
    [
      'had our number in a life before',
      { pid: process.pid, host: hostname(), started: '', startedAt: Date.now() - 3_600_000 },
    ],
    ['had no number', { pid: 0, host: hostname(), started: '', startedAt: 0 }],
    ['did not finish its name', '{"pid": 12'],
    ['wrote something else', '[]'],
    ['wrote nothing', ''],
  ])('a holder who %s is no holder', async (_, content) => {
    const path = temporaryPath()
    writeFileSync(join(path, 'lock'), typeof content === 'string' ? content : JSON.stringify(content))
    await openFolder(path)
    expect(holder(path)).toMatchObject({ pid: process.pid, host: hostname() })
    expect(await (await openFolder(temporaryPath())).list()).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')(
    'a living process that was started at another time is not the holder',
    async () => {
      const path = temporaryPath()
      writeFileSync(
        join(path, 'lock'),
        JSON.stringify({ pid: process.ppid, host: hostname(), started: '1', startedAt: 0 }),
      )
      await openFolder(path)
      expect(holder(path).pid).toBe(process.pid)
    },
  )

  test('one whose start nobody knows is believed', async () => {
    const path = temporaryPath()
    const content = JSON.stringify({ pid: process.ppid, host: hostname(), started: '', startedAt: 0 })
    writeFileSync(join(path, 'lock'), content)
    await expect(NodeFolder.open(path)).rejects.toMatchObject({ pid: process.ppid })
    expect(readFileSync(join(path, 'lock'), 'utf8')).toBe(content)
  })

  test('one on another machine cannot be asked: the message says which file to delete', async () => {
    const path = temporaryPath()
    writeFileSync(join(path, 'lock'), JSON.stringify({ pid: 7, host: 'elsewhere', started: '1', startedAt: 0 }))
    await expect(NodeFolder.open(path)).rejects.toMatchObject({
      code: 'FOLDER_LOCKED',
      pid: 7,
      host: 'elsewhere',
      message: expect.stringMatching(/lock says that process 7 on "elsewhere".*delete that file/),
    })
  })

  test.skipIf(process.platform !== 'linux')('a machine that got another name since is asked all the same', async () => {
    const path = temporaryPath()
    const first = await openFolder(path)
    const self = holder(path)
    await first.close()
    const lock = (content: object): void =>
      writeFileSync(join(path, 'lock'), JSON.stringify({ ...self, host: 'elsewhere', ...content }))
    lock({})
    await expect(NodeFolder.open(path)).rejects.toMatchObject({
      pid: process.pid,
      message: expect.stringContaining('this process uses'),
    })
    lock({ pid: 2 ** 30 })
    await (await openFolder(path)).close()
    lock({ pid: 2 ** 30, space: 'another boot' })
    await expect(NodeFolder.open(path)).rejects.toMatchObject({ host: 'elsewhere' })
  })

  test('whoever lost the lock does not remove it from its new holder', async () => {
    const path = temporaryPath()
    const first = await openFolder(path)
    const other = JSON.stringify({ pid: 7, host: 'elsewhere', started: '1', startedAt: 0 })
    writeFileSync(join(path, 'lock'), other)
    await first.close()
    expect(readFileSync(join(path, 'lock'), 'utf8')).toBe(other)
  })
})

function program(path: string): string {
  const door = pathToFileURL(join(import.meta.dirname, '../../src/platform/node/index.ts')).href
  return `
    import { NodeFolder } from ${JSON.stringify(door)}
    await NodeFolder.open(${JSON.stringify(path)})
    console.log('open')
    setTimeout(() => {}, 60_000)
  `
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
