import { createServer } from 'node:http'

/**
 * A server of the OpenAI API that answers each prompt at once with its echo. The
 * peers of the gateway stand in front of it: they have no queue.
 */
const server = createServer((request, response) => {
  // LiteLLM looks at it in other ways, too.
  if (request.method !== 'POST') return void response.writeHead(404).end()
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    const answer = JSON.stringify(answerTo(JSON.parse(body) as Asked))
    const length = Buffer.byteLength(answer)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
    response.end(answer)
  })
})

interface Asked {
  readonly model: string
  readonly messages: readonly { readonly content: string }[]
}

function answerTo({ model, messages }: Asked): object {
  const message = { role: 'assistant', content: `echo: ${messages.at(-1)?.content} in 0` }
  return {
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }
}

server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.('ready'))
process.on('SIGTERM', () => process.exit())
