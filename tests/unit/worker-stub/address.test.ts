import { expect, test } from 'vitest'
import { addressForPeople } from '../../../worker-stub/engines/upstream/address.ts'
import { HELLO, ask, sends, upstream } from '../../support/upstream.ts'

test.each([
  ['', '/v1/chat/completions'],
  ['/', '/v1/chat/completions'],
  ['/v1', '/v1/chat/completions'],
  ['/v1/', '/v1/chat/completions'],
  ['/v1//', '/v1/chat/completions'],
  ['/V1', '/V1/chat/completions'],
  ['/api/v1/', '/api/v1/chat/completions'],
  ['/prefix', '/prefix/v1/chat/completions'],
  ['/v100-cluster', '/v100-cluster/v1/chat/completions'],
  ['/vllm', '/vllm/v1/chat/completions'],
  ['/api/paas/v4', '/api/paas/v4/chat/completions'],
  ['/v1beta/openai/', '/v1beta/openai/chat/completions'],
  ['/v1.0', '/v1.0/chat/completions'],
  ['/accounts/x/ai/v1', '/accounts/x/ai/v1/chat/completions'],
  ['/v1/chat/completions', '/v1/chat/completions'],
  ['/v1/chat/completions/', '/v1/chat/completions'],
  ['/chat/completions', '/chat/completions'],
  ['/inference/chat/completions?k=v', '/inference/chat/completions?k=v'],
  ['/v1/completions', '/v1/chat/completions'],
  ['/v1/models', '/v1/chat/completions'],
  ['/?k=v', '/v1/chat/completions?k=v'],
  ['?k=v', '/v1/chat/completions?k=v'],
  ['/v1?', '/v1/chat/completions'],
  ['/v1#x', '/v1/chat/completions'],
  [
    '/openai/deployments/x?api-version=2024-06-01',
    '/openai/deployments/x/chat/completions?api-version=2024-06-01',
  ],
  ['/openai/deployments/x', '/openai/deployments/x/chat/completions'],
  [
    '/openai/deployments/x/chat/completions?api-version=1',
    '/openai/deployments/x/chat/completions?api-version=1',
  ],
  ['/models?api-version=1', '/chat/completions?api-version=1'],
])('with the address http://h%s it asks %s', async (path, asked) => {
  const { url, host, requests } = await upstream(sends(HELLO))
  await ask(url + path)
  await ask(host + path)
  expect(requests.map((request) => request.url)).toEqual([asked, asked])
})

test('the log shows no query, in which a key may be', () => {
  expect(addressForPeople('host:1/v1?api-version=1&key=canary')).toBe('http://host:1/v1')
})
