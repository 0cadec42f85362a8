import { endpointUrl } from './address.ts'
import { send } from './post.ts'

/** Whether the server answers at all: any status will do. Asks for what costs it nothing. */
export async function isReachable(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const request = {
      url: endpointUrl(url, '/models'),
      headers: {},
      body: '',
      isFresh: true,
      signal,
    }
    const { close } = await send('GET', request)
    close()
    return true
  } catch {
    return false
  }
}
