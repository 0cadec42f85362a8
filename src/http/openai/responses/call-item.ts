import { itemStep } from './output-items.ts'
import type { ItemStatus, OutputItem, Place, Step } from './output-items.ts'
import type { Item } from './response-types.ts'

/** A call of a function. It stays open until the end, because pieces of several calls may mix. */
export class CallItem implements OutputItem {
  readonly #place: Place
  readonly #callId: string
  readonly #name: string
  #arguments = ''
  #ended: ItemStatus | undefined

  constructor(place: Place, { callId, name }: { callId: string; name: string }) {
    this.#place = place
    this.#callId = callId
    this.#name = name
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  begin(): Step[] {
    return [itemStep('added', this.#place, this.as('in_progress'))]
  }

  add(delta: string): Step[] {
    if (delta === '') return []
    this.#arguments += delta
    return [{ type: 'response.function_call_arguments.delta', ...this.#at(), delta }]
  }

  end(status: ItemStatus): Step[] {
    this.#ended = status
    const said = { arguments: this.#arguments, name: this.#name }
    return [
      { type: 'response.function_call_arguments.done', ...this.#at(), ...said },
      itemStep('done', this.#place, this.as(status)),
    ]
  }

  as(status: ItemStatus): Item {
    return {
      type: 'function_call',
      id: this.#place.id,
      status: this.#ended ?? status,
      call_id: this.#callId,
      name: this.#name,
      arguments: this.#arguments,
    }
  }

  #at(): object {
    return { item_id: this.#place.id, output_index: this.#place.index }
  }
}
