import { connect, credentials } from 'amqplib'
import { errorFields, serverFields } from '../telemetry/log.ts'
import { Outage } from '../telemetry/outage.ts'
import type { Writable } from 'node:stream'
import type { ChannelModel, ConsumeMessage, Message, RecoveringChannelModel } from 'amqplib'
import type { Delivery, QueueOptions } from '../dialect.ts'
import type { Log } from '../telemetry/log.ts'

/** A silent broker is found after two to three of these. The server's own suggestion, 60 s, would be minutes. */
export const HEARTBEAT_S = 5
const CONNECT_TIMEOUT_MS = 5_000

export interface ConnectOptions {
  readonly url: string
  /** As the broker's operator sees it. */
  readonly name: string
  /** Runs for each new connection, before it counts as connected. */
  readonly setup: (connection: ChannelModel) => Promise<void>
  readonly log: Log
}

/** A connection that the library re-establishes by itself. Resolves at once, connected or not. */
export async function connectRabbitmq(options: ConnectOptions): Promise<RecoveringChannelModel> {
  const { name, setup, log } = options
  const url = new URL(options.url)
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_S))
  const model = await connect(url.href, {
    // The library's own reading of a login takes its bytes for Latin-1.
    credentials: credentials.plain(
      decodeURIComponent(url.username) || 'guest',
      decodeURIComponent(url.password) || 'guest',
    ),
    // Without it, small frames wait for the peer's delayed acknowledgement: 10 ms a message.
    noDelay: true,
    timeout: CONNECT_TIMEOUT_MS,
    clientProperties: { connection_name: name },
    recovery: {
      initialDelay: 100,
      maxDelay: 5_000,
      waitForConnect: false,
      setup: async (connection: ChannelModel) => {
        // A link lost during the setup would be an unhandled 'error' and end the process.
        connection.on('error', () => {})
        writeOnceATurn(connection)
        await setup(connection)
      },
    },
  })
  const [fields, outage] = [serverFields(options.url), new Outage()]
  model.on('connect', () => {
    outage.over()
    log.info(fields, 'broker.connected')
  })
  const tell = (error: unknown, event: string): void => {
    const { error: reason } = errorFields(error)
    outage.tell(reason, (since) => log.warn({ ...fields, error: reason, ...since }, event))
  }
  model.on('disconnect', (error: unknown) => tell(error, 'broker.disconnected'))
  // Tried again at least every few seconds: so the log says it again when its minute is over.
  model.on('connect-failed', (error: unknown) => tell(error, 'broker.connect_failed'))
  model.on('error', (error: unknown) => log.debug(errorFields(error), 'broker.error'))
  model.on('handler-error', (error: unknown) =>
    log.error(errorFields(error), 'broker.handler_failed'),
  )
  return model
}

/** A login or virtual host that the broker does not accept stays wrong until an operator acts. */
export const isForOperator = (error: unknown): boolean =>
  error instanceof Error && /ACCESS.REFUSED|NOT.ALLOWED/.test(error.message)

/**
 * The library writes each message by itself, all those of a turn right after one
 * another: with one system call for all of them, 64 requests in flight are
 * answered a fifth faster. Its socket is not in its types; should it be gone one
 * day, messages are written one by one again.
 */
function writeOnceATurn({ connection }: ChannelModel): void {
  const { stream } = connection as { stream?: Writable }
  if (stream === undefined) return
  const write = stream.write.bind(stream)
  stream.write = ((...chunk: Parameters<typeof write>) => {
    if (stream.writableCorked === 0) {
      stream.cork()
      process.nextTick(() => stream.uncork())
    }
    return write(...chunk)
  }) as typeof stream.write
}

/**
 * Declares a queue on a channel of its own, because a refusal closes the
 * channel. A queue that exists with other arguments is used as it is: it is
 * its worker's. Returns why it could not be declared, if it could not;
 * `onOther` gets in which way it differs, in the broker's words.
 */
export async function declareQueue(
  connection: ChannelModel,
  queue: string,
  options: QueueOptions,
  onOther: (difference: string) => void = () => {},
): Promise<string | undefined> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  try {
    await channel.assertQueue(queue, { durable: options.durable, arguments: options.arguments })
    await channel.close()
    return undefined
  } catch (error) {
    const { code } = error as { code?: number }
    // A lost link has no code; the caller's setup then fails and is run again.
    if (code === undefined) throw error
    const { error: reason } = errorFields(error)
    if (code !== PRECONDITION_FAILED) return reason
    const problem = await declareProblem(connection, queue)
    if (problem === undefined) onOther(reason)
    return problem
  }
}

const PRECONDITION_FAILED = 406

/** 406 says "exists, but differs" and also "such queues are not permitted": only the first one exists. */
async function declareProblem(
  connection: ChannelModel,
  queue: string,
): Promise<string | undefined> {
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  try {
    await channel.checkQueue(queue)
    await channel.close()
    return undefined
  } catch (error) {
    return errorFields(error).error
  }
}

/** A received message as dialects know it. */
export function deliveryOf({ content, properties }: ConsumeMessage): Delivery {
  const { contentType, contentEncoding, headers, priority, correlationId } = properties
  const fixed = { contentType, contentEncoding, priority, correlationId }
  return { body: content, ...fixed, headers: headers ?? {} }
}

/** Those of a message's properties that say what its body is. Absent ones are left out: the library sends what it is given. */
export function contentProperties({ contentType, contentEncoding, headers }: Delivery) {
  return {
    ...(contentType !== undefined && { contentType }),
    ...(contentEncoding !== undefined && { contentEncoding }),
    ...(headers !== undefined && { headers }),
  }
}

/** Where the run travels whose wire format has a meaning of its own for the correlation id. */
const RUN_HEADER = 'gateway_run'

/** The properties that say which run a message is for. */
export function runProperties({ correlationId, headers }: Delivery, run: string) {
  if (correlationId === undefined) return { correlationId: run }
  return { correlationId, headers: { ...headers, [RUN_HEADER]: run } }
}

/** The run that a message is for; '' when it names none. */
export function runOf({ properties }: Pick<Message, 'properties'>): string {
  const { headers, correlationId } = properties
  const inHeader: unknown = headers?.[RUN_HEADER]
  if (typeof inHeader === 'string') return inHeader
  // Another program's, with the meaning that its wire format has for it.
  const isTaskId = headers?.id !== undefined && headers.id === correlationId
  return isTaskId ? '' : String(correlationId ?? '')
}
