import { answer } from './answer.ts'
import { claim } from './claim.ts'
import { dropForeign } from './drop-foreign.ts'
import { end } from './end.ts'
import { expireUnread } from './expire-unread.ts'
import { finish } from './finish.ts'
import { giveBack, returned } from './give-back.ts'
import { markPublished } from './mark-published.ts'
import { mayRun } from './may-run.ts'
import { read } from './read.ts'
import { release } from './release.ts'
import { remove } from './remove.ts'
import { renew } from './renew.ts'
import { view } from './view.ts'

/** Every transition of a record that needs a script, as commands of the client. */
export const scripts = {
  answerJob: answer,
  claimJob: claim,
  dropForeign,
  endJob: end,
  expireUnread,
  finishJob: finish,
  giveBackJob: giveBack,
  markPublished,
  mayRunJob: mayRun,
  readJob: read,
  releaseJob: release,
  removeJob: remove,
  renewAsker: renew,
  returnedJob: returned,
  viewJob: view,
}
