import { MemoryStream, endedView } from './stream.ts'
import { bodyOf, callPiece, chunkOf } from './response-stream.ts'
import { pickOf } from './random.ts'
import type { JobView } from '../../src/job.ts'
import type { Entry } from './stream.ts'

/** What an engine says, piece by piece. */
interface Piece {
  readonly kind: 'text' | 'reasoning' | 'refusal' | 'call'
  readonly said: string
  /** Of the call. */
  readonly index: number
}

/** Comes in more than one piece, with a cut in the middle of a character. */
const LONG = 'c' + '👋'.repeat(5_000)

/** A stream of one job, with several attempts, and how the job ends. All depends on the numbers. */
export function randomResponse(random: () => number) {
  const pick = pickOf(random)
  const upTo = (most: number): number => Math.floor(random() * (most + 1))
  const isText = random() < 0.3

  const answer = (): Piece[] =>
    Array.from({ length: upTo(8) }, () => ({
      kind: isText ? 'text' : pick(['text', 'text', 'reasoning', 'refusal', 'call', 'call']),
      said: pick(['a', 'ab', '', '👋', '\ud83d', LONG]),
      index: upTo(2),
    }))

  const answers = [answer(), answer(), answer()]
  const stream = new MemoryStream(pick([1, 2, 3, 100]))
  const entries = answers.slice(0, 1 + upTo(2)).flatMap((pieces, at): Entry[] => {
    const streamed = pieces.slice(0, upTo(pieces.length + 2))
    return entriesOf(streamed, isText, pick).map((entry) => ({ ...entry, attempt: at + 1 }))
  })
  return { pick, stream, entries, view: endOf(pick(answers), isText, pick) }
}

function entriesOf(pieces: readonly Piece[], isText: boolean, pick: ReturnType<typeof pickOf>) {
  const begun = new Set<number>()
  return pieces.map((piece): Entry => {
    const { kind, said, index } = piece
    const common = { run: 'r1', text: kind === 'text' ? said : '' }
    if (isText) return common
    const isFirst = kind === 'call' && !begun.has(index)
    if (isFirst) begun.add(index)
    const more = kind === 'text' ? { logprobs: { content: [{ token: said, logprob: -1 }] } } : {}
    const delta =
      kind === 'call'
        ? callPiece(index, said, isFirst ? { id: `c${index}`, name: 'f' } : {})
        : chunkOf({ [kind === 'text' ? 'content' : kind]: said }, pick([{}, more]))
    const extra = pick([[], [{ choices: [] }], [{ choices: [], usage: { prompt_tokens: 1 } }]])
    return { ...common, chunks: JSON.stringify([delta, ...extra]) }
  })
}

function endOf(
  pieces: readonly Piece[],
  isText: boolean,
  pick: ReturnType<typeof pickOf>,
): JobView {
  const all = (kind: Piece['kind'], which?: number): string =>
    pieces
      .filter((piece) => piece.kind === kind && (which === undefined || piece.index === which))
      .map(({ said }) => said)
      .join('')
  const indexes = pieces.filter(({ kind }) => kind === 'call').map(({ index }) => index)
  const message = {
    content: all('text'),
    reasoning: all('reasoning'),
    refusal: all('refusal'),
    tool_calls: [...new Set(indexes)].map((index) => ({
      id: `c${index}`,
      function: { name: 'f', arguments: all('call', index) },
    })),
  }
  const finishReason = pick(['stop', 'length', 'tool_calls', 'content_filter'])
  const body = bodyOf(message, { finish_reason: finishReason })
  const withBody = isText ? pick([{}, { body }]) : pick([{ body }, { body }, {}])
  return pick([
    endedView({ kind: 'succeeded', content: all('text'), finishReason, ...withBody }),
    endedView({ kind: 'succeeded', content: all('text'), finishReason, ...withBody }),
    endedView({ kind: 'succeeded', content: `${all('text')}x` }),
    endedView({ kind: 'failed', type: 'E', message: 'm' }),
    endedView({ kind: 'cancelled' }),
  ])
}
