"""Asks many questions about one picture at once, with the typed client and asyncio.

``python explain_many.py ADDRESS MODEL IMAGE INSTRUCTION…``
"""

import asyncio
import sys
from pathlib import Path

from services.core.errors import ServiceError
from services.rpc.generation_client import Lane, Sampling, connect_async

AT_ONCE = 16


async def main(address: str, model: str, image: str, *instructions: str) -> None:
    """Prints the answers in the order of the questions."""
    places = asyncio.Semaphore(AT_ONCE)
    picture = await asyncio.to_thread(Path(image).read_bytes)
    async with connect_async(address) as client:
        # Otherwise every question that is asked before the first answer would bring it along.
        await client.put_image(picture)

        async def ask(instruction: str) -> str:
            async with places:
                try:
                    answer = await client.explain(
                        model,
                        instruction,
                        picture,
                        sampling=Sampling(max_tokens=100, temperature=0),
                        lane=Lane.SWEEP,
                    )
                except ServiceError as error:
                    return f"{error.reason}: {error.message}"
                return answer.text

        for answer in await asyncio.gather(*map(ask, instructions)):
            print(answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
