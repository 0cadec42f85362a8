import { pickOf } from './random.ts'

/** Stands for a secret in a value. No output may have it. */
export const CANARY = 'canary'

const words = (line: string): string[] => line.split(' ')

/** What a value is put together from: pieces of addresses, numbers, and characters that mean something somewhere. */
const PIECES: readonly string[] = [
  Array.from('#/?@:%[]{}*\\"\'`$;,&=+ \t\r\n\0\x1b\x7f.-_~|^<>!()a0'),
  words('%00 %0A %23 %40 %zz %ff // :// .. $$ ${A}'),
  words('amqp:// amqps:// redis:// rediss:// pyamqp:// tcp:// http:// AMQP://'),
  words('admin localhost rabbitmq redis 10.0.0.1 ::1 [::1] xn--bcher-kva'),
  words('1 5 80 5672 6379 65535 65536 1e3 0x10 -1 1.5 Infinity NaN ٣'),
  ['9'.repeat(20), 'x'.repeat(64), 'q'.repeat(256), '\r\n'],
  words('true False quorum classic celery-v2 protollm-v1.1 __proto__ constructor'),
  words('?heartbeat= ?db= ?verify=verify_peer &frameMax= ?ssl_cert_reqs= ?ssl_ca_certs='),
  words('é п 队 🦙 \u0085 \u00a0 \u200b \u200d \u2028 \u202e \ufeff \ud800'),
  [CANARY, CANARY, CANARY, `:${CANARY}@`, `u:${CANARY}@h`],
].flat()

/** Values that are right somewhere, to be spoilt in one place. Each setting takes one of them. */
export const RIGHT: readonly string[] = [
  words('amqp://u:canary@mq:5672/vhost?heartbeat=10 amqps://:canary@[::1]/%2F?verify=verify_peer'),
  words('pyamqp://u:canary@mq// redis://u:canary@h:6379/0 rediss://:canary@h?db=3'),
  words('redis://h rediss://h?ssl_cert_reqs=required tcp://10.96.0.7:6379 tcp://[fd00::7]:5672'),
  words('rabbitmq:5672 [fd00::7]:5672 10.0.0.1:80 mq.example.com'),
  words('5 300 0.5 5672 65535 true set check echo openai info a,b,c llm-api'),
  words('http://localhost:8670/v1 https://[::1]:1/v1'),
  words('classic quorum protollm-v1 celery-v2'),
  words('m=llm-api-queue m=llm-api-queue:llama:8b,n=llm-api-queue'),
].flat()

/** A maker of such values, one after the other. */
export function nastyValues(random: () => number): () => string {
  const pick = pickOf(random)
  const few = (most: number): number => Math.floor(random() * (most + 1))
  const made = (): string => Array.from({ length: 1 + few(6) }, () => pick(PIECES)).join('')
  const spoilt = (): string => {
    const right = pick(RIGHT)
    const at = few(right.length)
    return right.slice(0, at) + pick(PIECES) + right.slice(at + few(2))
  }
  const around = (): string => pick(PIECES) + pick(RIGHT) + pick(PIECES)
  return () => pick([made, made, spoilt, spoilt, around, () => pick(RIGHT)])()
}
