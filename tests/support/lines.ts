import { eventually } from './eventually.ts'

export type LogLine = Record<string, unknown> & { msg: string }

/** Collects log lines, and waits for one. */
export class Lines {
  readonly all: LogLine[] = []
  #rest = ''

  write(text: string): void {
    const parts = (this.#rest + text).split('\n')
    this.#rest = parts.pop() ?? ''
    for (const part of parts) if (part.startsWith('{')) this.all.push(JSON.parse(part) as LogLine)
  }

  named(msg: string): LogLine[] {
    return this.all.filter((line) => line.msg === msg)
  }

  /** The first line of this name, as soon as it is there. */
  until(msg: string, timeoutMs?: number): Promise<LogLine> {
    return eventually(`a log line ${msg}`, () => this.named(msg)[0], timeoutMs)
  }
}
