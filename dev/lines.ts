export type LogLine = Record<string, unknown> & { msg: string }

/** Takes the log of a program as it is written, keeps its lines, and waits for one. */
export class Lines {
  readonly all: LogLine[] = []
  #rest = ''
  readonly #listeners = new Set<(line: LogLine) => void>()

  write(text: string): void {
    const parts = (this.#rest + text).split('\n')
    this.#rest = parts.pop() ?? ''
    for (const part of parts) {
      if (!part.startsWith('{')) continue
      const line = JSON.parse(part) as LogLine
      this.all.push(line)
      for (const listener of this.#listeners) listener(line)
    }
  }

  onLine(listener: (line: LogLine) => void): void {
    this.#listeners.add(listener)
  }

  named(msg: string): LogLine[] {
    return this.all.filter((line) => line.msg === msg)
  }

  /** The first line of this name, as soon as it is there. */
  until(msg: string, timeoutMs = 15_000): Promise<LogLine> {
    const [known] = this.named(msg)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const end = (line: LogLine): void => {
        if (line.msg !== msg) return
        clearTimeout(timer)
        this.#listeners.delete(end)
        resolve(line)
      }
      const timer = setTimeout(() => {
        this.#listeners.delete(end)
        const last = JSON.stringify(this.all.at(-1))
        reject(new Error(`never: a log line ${msg} (last: ${last})`))
      }, timeoutMs)
      this.#listeners.add(end)
    })
  }
}
