import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'

/**
 * Sees to it that nothing outlives this process, however it ends.
 *
 * A small shell in a session of its own holds the other end of a pipe. When
 * this process is gone, Ctrl-C and `kill -9` included, the pipe ends, and the
 * shell runs the undo list (one shell command per thing alive) and removes the
 * directory.
 */
export class Keeper {
  readonly directory = mkdtempSync(join(tmpdir(), 'protollm-services-'))
  readonly #undo = new Map<object, string>()
  readonly #shell: ChildProcess

  constructor() {
    this.#write()
    this.#shell = spawn('/bin/sh', ['-c', 'cat; sh "$0/undo.sh"; rm -rf "$0"', this.directory], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#shell.unref()
    unrefPipe(this.#shell)
  }

  /** From here on `command` is run if this process ends before `forget(owner)`. */
  remember(owner: object, command: string): void {
    this.#undo.set(owner, command)
    this.#write()
  }

  forget(owner: object): void {
    this.#undo.delete(owner)
    this.#write()
  }

  /** Removes the directory now; waits until the shell is gone too. */
  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#shell.once('exit', resolve))
    this.#shell.ref()
    this.#shell.stdin?.end()
    await gone
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 })
  }

  /** Written aside and renamed: the shell may read it at any moment. */
  #write(): void {
    const path = join(this.directory, 'undo.sh')
    writeFileSync(`${path}.new`, [...this.#undo.values(), ''].join('\n'))
    renameSync(`${path}.new`, path)
  }
}

/** The pipe must not keep the event loop alive: its end is the signal, not its data. */
function unrefPipe(shell: ChildProcess): void {
  const pipe: unknown = shell.stdin
  if (pipe !== null && typeof pipe === 'object' && 'unref' in pipe)
    (pipe as { unref(): void }).unref()
}
