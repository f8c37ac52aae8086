"""Measures the scoring of explanations: in process, against plain libraries, and over gRPC.

    PYTHONPATH=. python tests/bench/scoring.py [--only in-process|service|overload] [--profile]

In-process rates are per second of processor time, so that other work on the machine disturbs them
little; the stream's rate is per second of the clock. Texts are random and seeded.
"""

import argparse

from tests.bench import scoring_in_process


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", choices=("in-process", "service", "overload"), help="measure only this part"
    )
    parser.add_argument(
        "--stream-items", type=int, default=9_000, help="explanations in the stream"
    )
    parser.add_argument("--workers", type=int, default=1, help="worker processes of the service")
    parser.add_argument(
        "--profile", action="store_true", help="print where the time goes in process, and no rates"
    )
    options = parser.parse_args()
    if options.profile:
        scoring_in_process.profile()
        return
    if options.only in (None, "in-process"):
        scoring_in_process.in_process()
    if options.only in (None, "service"):
        from tests.bench import scoring_service  # needs grpc and the service's packages

        scoring_service.over_grpc(options.stream_items, options.workers)
    if options.only in (None, "overload"):
        from tests.bench import scoring_overload

        scoring_overload.overload(options.workers)


if __name__ == "__main__":
    main()
