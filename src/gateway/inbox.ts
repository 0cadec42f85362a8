/** A timer of Node that is longer than this fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * What has happened since a loop last looked. Events only leave a note here; the loop takes
 * one after the other and acts. So what happens while it is busy is not lost, and no two
 * events act at the same time.
 */
export class Inbox<Note extends { readonly kind: string }> {
  readonly #notes: Note[] = []
  #wake: (() => void) | undefined

  put(note: Note): void {
    this.#notes.push(note)
    this.#wake?.()
  }

  /** Replaces the note of the same kind, where one waits: many events of a kind are as good as one. */
  replace(note: Note): void {
    const index = this.#notes.findIndex(({ kind }) => kind === note.kind)
    if (index >= 0) this.#notes[index] = note
    else this.put(note)
  }

  /** Takes all notes that wait. */
  rest(): Note[] {
    return this.#notes.splice(0)
  }

  /** Forgets the notes of a kind. */
  drop(kind: Note['kind']): void {
    const kept = this.#notes.filter((note) => note.kind !== kind)
    this.#notes.splice(0, Infinity, ...kept)
  }

  /** The oldest note, as soon as there is one; undefined when none has come by `dueAt` (monotonic, in ms). */
  async next(dueAt: number): Promise<Note | undefined> {
    if (this.#notes.length === 0) await this.#note(dueAt)
    return this.#notes.shift()
  }

  #note(dueAt: number): Promise<void> {
    return new Promise((resolve) => {
      const ms = Math.ceil(dueAt - performance.now())
      const timer = ms < MAX_TIMER_MS ? setTimeout(() => this.#wake?.(), ms) : undefined
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }
}

/** Resolves when the loop that was asked for something calls `done`, or after `ms`. */
export function doneWithin(ms: number, ask: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    ask(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
