"""Whether two texts are the same object to the models of protollm-api 1.1.

Arguments: a JSON list of [model, text, text]. Prints a line of JSON for each,
with what the first text became.
"""

import json
import sys

from protollm_api.backend.models.job_context_models import ChatCompletionModel, PromptWrapper
from protollm_api.object_interface.result_storage.models import JobStatus

READERS = {
    "status": JobStatus.model_validate_json,
    "prompt": ChatCompletionModel.model_validate_json,
    "message": lambda text: PromptWrapper(prompt=json.loads(text)["kwargs"]),
}

for model, ours, captured in json.loads(sys.argv[1]):
    one, other = READERS[model](ours), READERS[model](captured)
    print(json.dumps({"msg": "compared", "model": model, "same": one == other, "is": str(one)}))
