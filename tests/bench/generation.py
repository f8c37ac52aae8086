"""Measures the generation service against vLLM alone and against a bare gRPC server.

    PYTHONPATH=. python tests/bench/generation.py [--only PART] [--variables]

Parts: throughput (questions a second, against vLLM's offline LLM.chat), first-token (against
AsyncLLM in process), cold-start (from zero replicas, against starting vLLM), front (small calls a
second, against a bare grpc.aio server), waiting (memory of streams that wait), overload (ten times
the capacity for two minutes). Both sides of a comparison run in turns on the same machine; the
demo models come from ``make models``.
"""

import argparse
import asyncio

PARTS = ("throughput", "first-token", "cold-start", "front", "waiting", "overload")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, help="measure only this part")
    parser.add_argument(
        "--variables",
        action="store_true",
        help="in the part front, also leave out each variable that tunes Ray Serve, in turn",
    )
    parser.add_argument(
        "--overload-s", type=float, default=120.0, help="how long the overload lasts"
    )
    parser.add_argument(
        "--streams", type=int, default=10_000, help="how many streams wait in the part waiting"
    )
    options = parser.parse_args()
    asked = PARTS if options.only is None else (options.only,)
    # Each imports what it measures: vLLM's child has no need of the front, nor the front of vLLM.
    if {"throughput", "first-token", "cold-start"} & set(asked):
        from tests.bench import generation_engines

        asyncio.run(generation_engines.measure(asked))
    if "front" in asked:
        from tests.bench import generation_front

        generation_front.small_calls(each_variable=options.variables)
    if "waiting" in asked:
        from tests.bench import generation_waiting

        asyncio.run(generation_waiting.waiting_streams(options.streams))
    if "overload" in asked:
        from tests.bench import generation_overload

        asyncio.run(generation_overload.overload(options.overload_s))


if __name__ == "__main__":
    main()
