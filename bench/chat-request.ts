/** How a chat completion is asked for: of the gateway, and of its peers. */
export const CHAT_PATH = '/v1/chat/completions'

/** The gateway sends it to the queue of the bench. */
export const CHAT_MODEL = 'bench'

export const chatBody = (content: string): object => ({
  model: CHAT_MODEL,
  messages: [{ role: 'user', content }],
})
