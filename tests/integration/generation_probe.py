"""Watches, as a second driver of a stack's Ray, how many generations a model's engine has.

Run as ``python -m tests.integration.generation_probe RAY_ADDRESS MODEL``: for every line on its
standard input it writes the count, until the input ends.
"""

import asyncio
import sys

import ray
from ray import serve

from services.generation.names import MODEL_DEPLOYMENT, model_application


async def answer(model: str) -> None:
    """Writes one count a line that is read."""
    handle = serve.get_deployment_handle(MODEL_DEPLOYMENT, model_application(model))
    while await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(f"{await handle.running_count.remote()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    asyncio.run(answer(sys.argv[2]))
