"""How fast a replica answers, and what that is known by."""

from dataclasses import dataclass
from enum import StrEnum

from services.sweep.capacity.needs import Known, ModelNeeds
from services.sweep.plan.estimate import TOKENS_PER_S

# Starting an engine on a GPU: imports, memory profiling, compilation and graph capture.
START_S = 150.0

# Weights from a volume of the network, and what they are counted as where nobody says.
WEIGHTS_MIB_PER_S = 100.0
WEIGHTS_GIB = 15.0
_MIB_A_GIB = 1024.0

# `make bench` on two cores of 2026, which both services shared: 519 to 631 questions/s.
DRIVER_QUESTIONS_PER_S = 400.0

# `make bench`: 637 to 650 calls/s of one front, streams of one word, on the same two cores.
FRONT_QUESTIONS_PER_S = 400.0

# `make bench`: 1,180 to 1,620 explanations/s of one worker, 90 words and 6 entities each, on a
# core that it shared with its caller.
SCORED_PER_WORKER_S = 1000.0

# BERTScore by roberta-large without a GPU; see deploy/scoring/production.env.
ENCODED_PER_CORE_S = 2.0

# Scripted answers of 150 words with their scores took 400 bytes in compacted tables. Real texts and
# scores repeat themselves less, and what a compaction replaces stays for an hour.
BYTES_PER_ANSWER = 2500.0


class Basis(StrEnum):
    """What a number is known by."""

    GIVEN = "given"
    MEASURED = "measured"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that the result rests on.

    Attributes:
        name: What it is, with its unit.
        value: The number.
        basis: What it is known by.
        source: Where it comes from, for people.
    """

    name: str
    value: float
    basis: Basis
    source: str


@dataclass(frozen=True, slots=True)
class ReplicaPace:
    """How fast one replica of a model answers.

    Attributes:
        questions_per_s: Answers a second with as many questions at a time as it takes.
        s_per_question: How long it works on one of them.
        basis: What that is known by.
        source: Where it comes from, for people.
    """

    questions_per_s: float
    s_per_question: float
    basis: Basis
    source: str


def replica_pace(label: str, needs: ModelNeeds, tokens: float, known: Known) -> ReplicaPace:
    """Says how fast a replica answers: as given, or else as measured, or else as assumed.

    Args:
        label: The model.
        needs: What the catalog says of it.
        tokens: Tokens of an answer, in the mean.
        known: What is known.
    """
    found = known.earlier.pace.get(label) if known.earlier is not None else None
    s_per_question = tokens * (found.s_per_token if found is not None else 1 / TOKENS_PER_S)
    if known.questions_per_s is not None:
        rate = known.questions_per_s
        # It never works on more at a time than it has places: if it is faster, each takes less.
        s_per_question = min(s_per_question, needs.places / rate)
        return ReplicaPace(rate, s_per_question, Basis.GIVEN, f"{rate:g} questions/s a replica")
    if found is not None:
        each = found.tokens_per_s / known.earlier_replicas
        source = f"{each:,.0f} tokens/s a replica over {found.answers:,} answers"
        return ReplicaPace(each / tokens, s_per_question, Basis.MEASURED, source)
    source = f"{TOKENS_PER_S} tokens/s for each of {needs.places} questions at a time"
    return ReplicaPace(needs.places / s_per_question, s_per_question, Basis.ASSUMED, source)


def scoring_pace(known: Known, metrics: tuple[str, ...]) -> Figure:
    """Says how many answers a scoring pod scores a second.

    What was measured counts where it is more than what is assumed: scoring may have waited for
    the answers.

    Args:
        known: What is known.
        metrics: The metrics that the spec asks for; none for the service's own choice.
    """
    name = "answers scored a second by a pod"
    if known.scored_per_s is not None:
        return Figure(name, known.scored_per_s, Basis.GIVEN, "--scored-per-s")
    workers = known.scoring_workers
    has_encoder = any(metric.startswith("bertscore") for metric in metrics)
    each = ENCODED_PER_CORE_S if has_encoder else SCORED_PER_WORKER_S
    what = "BERTScore on a processor" if has_encoder else "without BERTScore"
    assumed = each * workers
    earlier = known.earlier
    if earlier is not None and earlier.scored_per_s is not None:
        measured = earlier.scored_per_s / known.earlier_scoring_pods
        if measured > assumed:
            return Figure(name, measured, Basis.MEASURED, earlier.place)
    return Figure(name, assumed, Basis.ASSUMED, f"{workers} workers of {each:g} each, {what}")


def load_time(needs: ModelNeeds, known: Known) -> float:
    """Says how many seconds loading a model takes."""
    if known.load_s is not None:
        return known.load_s
    if needs.runs_elsewhere:
        return 0.0
    weights_gib = WEIGHTS_GIB if needs.weights_gib is None else needs.weights_gib
    return START_S + weights_gib * _MIB_A_GIB / WEIGHTS_MIB_PER_S


def load_basis(known: Known) -> Figure:
    """Says what the times of loading rest on."""
    if known.load_s is not None:
        return Figure("seconds to load a model", known.load_s, Basis.GIVEN, "--load-s")
    source = f"{WEIGHTS_GIB:g} GiB where the catalog has no parameter_count"
    name = f"seconds to load a model, and its weights at {WEIGHTS_MIB_PER_S:g} MiB/s"
    return Figure(name, START_S, Basis.ASSUMED, source)


def answer_size(known: Known) -> Figure:
    """Says how many bytes of the result tables an answer takes."""
    name = "bytes of the result tables an answer"
    earlier = known.earlier
    if earlier is not None and earlier.bytes_per_answer is not None:
        return Figure(name, earlier.bytes_per_answer, Basis.MEASURED, earlier.place)
    source = "150 tokens an answer, every metric, and what compaction replaces"
    return Figure(name, BYTES_PER_ANSWER, Basis.ASSUMED, source)
