import { readFileSync } from 'node:fs'
import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents'
import { z } from 'zod'
import { collect, serve, textOf } from './serve.mjs'

const { version } = JSON.parse(readFileSync('node_modules/@openai/agents/package.json', 'utf8'))

/** An agent with one tool, which gives back `output` and notes what it was called with. */
function crew({ url, output }) {
  const calls = []
  const weather = tool({
    name: 'weather',
    description: 'The weather of a city',
    parameters: z.object({ city: z.string(), days: z.number().int() }),
    execute: (args) => {
      calls.push(args)
      return output
    },
  })
  const agent = new Agent({
    name: 'Forecaster',
    instructions: 'Be brief.',
    model: 'chat',
    tools: [weather],
  })
  const modelProvider = new OpenAIProvider({ baseURL: url, apiKey: 'key' })
  return { agent, calls, runner: new Runner({ modelProvider, tracingDisabled: true }) }
}

const tasks = {
  plain: async ({ prompt, ...more }) => {
    const { agent, calls, runner } = crew(more)
    const { finalOutput: text } = await runner.run(agent, prompt)
    return { text, calls }
  },
  stream: async ({ prompt, ...more }) => {
    const { agent, calls, runner } = crew(more)
    const streamed = await runner.run(agent, prompt, { stream: true })
    const pieces = await collect(streamed.toTextStream())
    await streamed.completed
    return {
      text: streamed.finalOutput,
      calls,
      pieces: textOf(pieces),
      isInPieces: pieces.length > 1,
    }
  },
  continued: async ({ prompt, next, ...more }) => {
    const { agent, calls, runner } = crew(more)
    const { lastResponseId } = await runner.run(agent, prompt)
    const { finalOutput: text } = await runner.run(agent, next, {
      previousResponseId: lastResponseId,
    })
    return { text, calls }
  },
}

serve(`@openai/agents ${version}`, tasks, ({ status, code, param, type, message }) => {
  return { status, code, param, type, message }
})
