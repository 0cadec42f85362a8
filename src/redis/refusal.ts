import { ErrorReply } from 'redis'
import { GatewayError } from '../errors.ts'
import { canNeverSucceed, reasonOf } from './record/script.ts'

/**
 * A reply by which Redis says that it cannot be used as it is now. Replies about one key or
 * one command only, such as WRONGTYPE, are none.
 */
export interface Refusal {
  /** In the words of Redis. */
  readonly reason: string
  /** The server has become a replica: the primary is another one, which a new connection may find. */
  readonly isDemotion: boolean
  /** It does not pass by itself: an operator has to change the server or the login. */
  readonly needsOperator: boolean
}

const DEMOTED = /^READONLY /
/** A start, a full disk or memory, missing replicas, a cluster or a primary that is away, a long script. */
const PASSING = /^(?:LOADING|MISCONF|NOREPLICAS|OOM|CLUSTERDOWN|MASTERDOWN|BUSY|TRYAGAIN) /
/** A missing right, a wrong login, a server that is part of a cluster, protected mode, an unknown database. */
const FOR_AN_OPERATOR =
  /^(?:(?:NOPERM|NOAUTH|WRONGPASS|MOVED|ASK|CROSSSLOT|DENIED) |ERR (?:AUTH |Client sent AUTH|DB index|invalid password|invalid DB|ACL failure|The user executing the script))/i

/** What an error says against the server, if anything. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined
  if (error instanceof GatewayError) return refusalOf(error.cause)
  if (!(error instanceof ErrorReply)) return undefined
  const reason = reasonOf(error)
  const isDemotion = DEMOTED.test(reason)
  const needsOperator = FOR_AN_OPERATOR.test(reason)
  if (!isDemotion && !needsOperator && !PASSING.test(reason)) return undefined
  return { reason, isDemotion, needsOperator }
}

/** What a client gets when Redis did not do what its request needs. */
export function noResult(message: string, cause: unknown): GatewayError {
  const needsOperator = refusalOf(cause)?.needsOperator === true || canNeverSucceed(cause)
  if (!needsOperator) return new GatewayError('results_down', message, { cause })
  const reason = reasonOf(cause as Error)
  return new GatewayError('results_down', `${message}: ${reason}`, { cause, needsOperator })
}
