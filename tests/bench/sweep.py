"""Measures the sweep driver: against itself, against bare calls, and against its services' limits.

    PYTHONPATH=. python tests/bench/sweep.py [--only PART] [--questions N] [--models M]

It ends with exit code 1 when a target is missed; they are meant for 2 processors and the default
number of questions.

Parts: throughput (scripted models without delay and the real scoring service, all on this machine:
questions a second from the start of the command to its end, memory of the driver while it runs,
processor time by process), resume (how long it takes to find that nothing is left to do, over as
many finished questions), efficiency (demo-smol on the real stack, against bare streaming calls of
the same concurrency, in turns, with scoring on), drivers (1, 2 and 4 of them share the work).

The questions are generated from ExpArt-mini's pictures and texts: each artwork has 10 and a
picture of its own; every question goes to each of the models.
"""

import argparse
import sys

from tests.bench.targets import Targets

PARTS = ("throughput", "resume", "efficiency", "drivers")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, help="measure only this part")
    parser.add_argument(
        "--questions", type=int, default=300_000, help="questions in all, those of every model"
    )
    parser.add_argument("--models", type=int, default=10, help="scripted models that share them")
    parser.add_argument(
        "--concurrency", type=int, default=16, help="questions in flight for each scripted model"
    )
    parser.add_argument(
        "--drivers-questions", type=int, default=12_000, help="questions of the part drivers"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the part efficiency")
    parser.add_argument(
        "--round-questions", type=int, default=96, help="questions of such a round, each way"
    )
    parser.add_argument(
        "--profile", action="store_true", help="profile the driver of the part throughput"
    )
    parser.add_argument(
        "--no-targets", action="store_true", help="end well whatever was measured, as small runs do"
    )
    options = parser.parse_args()
    targets = Targets()
    asked = PARTS if options.only is None else (options.only,)
    if "throughput" in asked:
        from tests.bench import sweep_throughput

        sweep_throughput.throughput(
            options.questions,
            options.models,
            options.concurrency,
            targets,
            profile=options.profile,
        )
    if "resume" in asked:
        from tests.bench import sweep_resume

        sweep_resume.resume(options.questions, options.models, targets)
    if "efficiency" in asked:
        from tests.bench import sweep_efficiency

        sweep_efficiency.efficiency(options.rounds, options.round_questions, targets)
    if "drivers" in asked:
        from tests.bench import sweep_drivers

        sweep_drivers.drivers(options.drivers_questions, options.models, options.concurrency)
    if targets.missed and not options.no_targets:
        sys.exit("missed: " + "; ".join(targets.missed))


if __name__ == "__main__":
    main()
