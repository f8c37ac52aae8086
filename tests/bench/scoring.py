"""Measures the scoring of explanations: in process, against plain libraries, and over gRPC.

    python tests/bench/scoring.py [--stream-items N] [--workers N]

In-process rates are per second of processor time, so that other work on the machine disturbs them
little; the stream's rate is per second of the clock. Texts are random and seeded.
"""

import argparse
import asyncio
import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grpc import aio
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.metrics import ScoringInput, TextAnalysis, score_all
from services.metrics.tokens import nltk_parameters
from services.rpc.channel import open_channel
from tests.contract.scoring_server import scoring_server
from tests.properties import plain_entity_metrics as plain

ENTITY_METRICS = (
    "ef1",
    "ec_exact",
    "ec_partial",
    "ecooc_0",
    "ecooc_1",
    "ecooc_2",
    "ecooc_inf",
)
NAMES = (
    *("Piet Mondrian", "Kazimir Malevich", "Hilma af Klint", "El Lissitzky", "Theo van Doesburg"),
    *("Louvre", "Tate Modern", "Suprematism", "De Stijl", "St. Petersburg", "Bauhaus", "Amsterdam"),
    *("Composition No. II", "The Swan", "Wassily Kandinsky", "Moscow", "Paris", "Neoplasticism"),
)
VOCABULARY = """
the a of and in is was his with which black white red blue square circle line canvas painting artist
abstract geometric colour form movement exhibition museum shown made early century composed balance
diagonal plane work style influence modern art series viewer space edges
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One explanation to be scored."""

    candidate: str
    reference: str
    entities: tuple[str, ...]


def make_text(rng: random.Random, word_count: int, entities: Sequence[str]) -> str:
    vocabulary = VOCABULARY.split()
    sentences: list[str] = []
    length = 0
    while length < word_count:
        words = rng.choices(vocabulary, k=rng.randint(9, 20))
        for entity in rng.sample(entities, min(2, len(entities))):
            words.insert(rng.randint(1, len(words)), entity)
        words[rng.randrange(len(words) - 1)] += rng.choice((",", ",", "", "'s", ";"))
        words[0] = words[0].capitalize()
        sentences.append(" ".join(words) + ".")
        length += len(words)
    return " ".join(sentences)


def make_items(count: int, word_count: int, entity_count: int) -> list[Item]:
    rng = random.Random(20240229)
    names = list(NAMES) + [f"Work {letter}{n}" for letter in "ABCD" for n in range(20)]
    items = []
    for _ in range(count):
        entities = tuple(rng.sample(names, entity_count))
        text, reference = (make_text(rng, word_count, entities) for _ in range(2))
        items.append(Item(text, reference, entities))
    return items


def rate(run: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Items a second of processor time, the best of three rounds."""
    best = math.inf
    for _ in range(3):
        started = time.process_time()
        for item in items:
            run(item)
        best = min(best, time.process_time() - started)
    return len(items) / best


def ours(*metrics: str) -> Callable[[Item], object]:
    return lambda item: score_all(
        ScoringInput(item.candidate, item.reference, item.entities), metrics
    )


def plain_entities() -> Callable[[Item], object]:
    splitter, word_tokenizer = PunktSentenceTokenizer(nltk_parameters()), NLTKWordTokenizer()

    def spans(text: str) -> list[tuple[int, int]]:
        return list(splitter.span_tokenize(text))

    def tokens(text: str) -> list[str]:
        return [word for a, b in spans(text) for word in word_tokenizer.tokenize(text[a:b])]

    def run(item: Item) -> None:
        entities, candidate, reference = item.entities, item.candidate, item.reference
        plain.coverage(entities, candidate, fold=False, word=True)
        plain.partial_coverage(entities, candidate, tokens, fold=False)
        plain.f1(entities, candidate, reference, fold=False, word=True)
        for radius in (0, 1, 2, math.inf):
            plain.cooccurrence(
                plain.pairs(entities, candidate, radius, spans, fold=False, word=True),
                plain.pairs(entities, reference, radius, spans, fold=False, word=True),
                len(tokens(candidate)),
                len(tokens(reference)),
            )

    return run


def in_process() -> None:
    items = make_items(400, word_count=90, entity_count=6)
    say("90 words, 6 entities; explanations per second and core")
    everything = rate(ours(), items)
    say(f"  all metrics, every reference new       {everything:8.0f}")
    references = {item.reference: TextAnalysis(item.reference) for item in items}
    known = rate(
        lambda i: score_all(ScoringInput(i.candidate, references[i.reference], i.entities)), items
    )
    say(f"  all metrics, references analysed once  {known:8.0f}")
    rouge, bleu = RougeScorer(["rouge1", "rouge2", "rougeL"]), BLEU(effective_order=True)

    def sacrebleu_of(item: Item) -> None:
        Tokenizer13a.__call__.cache_clear()  # it keeps the texts that it has seen
        TokenizerRegexp.__call__.cache_clear()
        bleu.sentence_score(item.candidate, [item.reference])

    compared: list[tuple[str, Callable[[Item], object], Callable[[Item], object]]] = [
        (
            "ROUGE-1/2/L against rouge_score",
            ours("rouge_1", "rouge_2", "rouge_l"),
            lambda i: rouge.score(i.reference, i.candidate),
        ),
        (
            "BLEU against sacreBLEU",
            ours("bleu"),
            sacrebleu_of,
        ),
    ]
    for name, mine, theirs in compared:
        say_ratio(name, rate(mine, items), rate(theirs, items))
    large = make_items(20, word_count=400, entity_count=60)
    say("400 words, 60 entities")
    say_ratio(
        "entity metrics against plain ones",
        rate(ours(*ENTITY_METRICS), large),
        rate(plain_entities(), large[:3]),
    )
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"peak memory of this process: {peak_mib:.0f} MiB")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def say_ratio(name: str, mine: float, theirs: float) -> None:
    say(f"  {name:<38} {mine:8.0f} : {theirs:.0f} = {mine / theirs:.1f} times")


async def stream(address: str, items: Sequence[Item], count: int) -> float:
    """Scores so many items in one stream; answers per second of the clock."""

    def requests() -> Iterator[pb.ScoreExplanationsRequest]:
        for number in range(count):
            item = items[number % len(items)]
            yield pb.ScoreExplanationsRequest(
                item_id=str(number),
                item=pb.ScoringItem(
                    candidate=item.candidate, reference=item.reference, entities=item.entities
                ),
            )

    async with open_channel(address) as channel:
        started = time.perf_counter()
        call: aio.StreamStreamCall[pb.ScoreExplanationsRequest, pb.ScoreExplanationsResponse]
        call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(requests())
        answered = 0
        async for answer in call:
            assert answer.WhichOneof("result") == "scores"
            answered += 1
        assert answered == count
        return count / (time.perf_counter() - started)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def over_grpc(count: int, workers: int) -> None:
    items = make_items(2_000, word_count=90, entity_count=6)
    say(f"ScoreExplanations, one stream, {workers} workers, client on the same machine")
    with (
        tempfile.TemporaryDirectory() as folder,
        scoring_server(Path(folder), WORKERS=str(workers)) as server,
    ):
        for part in range(1, 4):
            found = asyncio.run(stream(server.address, items, count // 3))
            pids = [server.process.pid, *server.worker_pids()]
            memory = ", ".join(f"{resident_mib(pid):.0f}" for pid in pids)
            say(f"  third {part}: {found:6.0f} explanations/s; MiB resident: {memory}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stream-items", type=int, default=9_000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    in_process()
    over_grpc(options.stream_items, options.workers)


if __name__ == "__main__":
    main()
