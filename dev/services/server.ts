/**
 * A server of development and tests, as its users see it: an address and the
 * faults one can put it through. RabbitMQ and Redis are private to the program
 * that started them.
 */
export interface Server {
  readonly name: 'RabbitMQ' | 'Redis'
  /** Where it came from, in words for a person: a path, an image, an address. */
  readonly origin: string
  readonly url: string
  /** Its process while it runs as a child of ours; undefined for a container and for a server given by address. */
  readonly pid: number | undefined
  /** Starts it (again), on the same port and the same data; resolves when it answers. */
  start(): Promise<void>
  /** Asks it to end and waits until it has. */
  stop(): Promise<void>
  /** Ends it as a crash would: nothing is flushed, no connection is closed properly. */
  kill(): Promise<void>
  /** Freezes it: connections stay open and nothing is answered. */
  pause(): void
  resume(): void
  /** Runs its command-line tool (`redis-cli`, `rabbitmqctl`) against this server. */
  control(...args: string[]): Promise<string>
  /** Ends it for good; its data is of no further use. */
  close(): Promise<void>
}
