"""Rates of scoring in process, also against plain libraries."""

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence

from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from services.metrics import ScoringInput, TextAnalysis, score_all
from services.metrics.tokens import nltk_parameters
from tests.bench.scoring_texts import Item, make_items
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
