"""A second driver of a stack's Ray: sees what callers cannot, and changes what is deployed.

Run as ``python -m tests.integration.generation_driver RAY_ADDRESS``. Every line on its standard
input is a JSON object with the keys ``do`` and ``of``, answered by a line with a JSON value, until
the input ends: ``running`` counts the generations that a model's engine has, ``calls`` those that
the front has let in, and ``deploy`` deploys the catalog entry that ``of`` holds.
"""

import asyncio
import json
import sys

import ray
from ray import serve

from services.generation.app import build_model_app
from services.generation.catalog import ModelSpec
from services.generation.names import (
    FRONT_APPLICATION,
    FRONT_DEPLOYMENT,
    MODEL_DEPLOYMENT,
    model_application,
)
from services.generation.settings import GenerationSettings


async def answer(do: str, of: str) -> object:
    """Does what one line asks for."""
    if do == "running":
        model = serve.get_deployment_handle(MODEL_DEPLOYMENT, model_application(of))
        return await model.running_count.remote()
    if do == "calls":
        front = serve.get_deployment_handle(FRONT_DEPLOYMENT, FRONT_APPLICATION)
        return await front.calls_in_flight.remote()
    assert do == "deploy"
    spec = ModelSpec.model_validate_json(of)
    application = build_model_app(spec, GenerationSettings(), start_attempts=1)
    await asyncio.to_thread(
        serve.run_many,
        [serve.RunTarget(application, name=model_application(spec.name), route_prefix=None)],
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )
    return None


async def main() -> None:
    """Answers until the input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        answered = await answer(**json.loads(line))
        sys.stdout.write(json.dumps(answered) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    asyncio.run(main())
