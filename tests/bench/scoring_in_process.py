"""Rates of scoring in process, also against plain libraries, and where its time goes."""

import cProfile
import math
import pstats
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

from services.metrics import DEFAULT_METRICS, METRICS, ScoringInput, TextAnalysis, score_all
from services.metrics.tokens import nltk_parameters
from tests.bench.scoring_texts import Item, expart_mini_items, make_items, new_words
from tests.bench.scoring_worst_cases import worst_cases
from tests.properties import plain_entity_metrics as plain

ROUNDS = 5
ENTITY_METRICS = tuple(name for name in DEFAULT_METRICS if name.startswith("e"))
ROUGE_METRICS = tuple(name for name in DEFAULT_METRICS if name.startswith("rouge"))


def rate(run: Callable[[Item], object], items: Sequence[Item], rounds: int = ROUNDS) -> float:
    """Items a second of processor time, in the best of several rounds."""
    best = math.inf
    for _ in range(rounds):
        started = time.process_time()
        for item in items:
            run(item)
        best = min(best, time.process_time() - started)
    return len(items) / best


def ours(*metrics: str) -> Callable[[Item], object]:
    return lambda item: score_all(
        ScoringInput(item.candidate, item.reference, item.entities), metrics
    )


def with_known_references(items: Sequence[Item]) -> Callable[[Item], object]:
    analysed = {item.reference: TextAnalysis(item.reference) for item in items}
    return lambda item: score_all(
        ScoringInput(item.candidate, analysed[item.reference], item.entities)
    )


def plain_entities() -> Callable[[Item], object]:
    """The entity metrics as tests/properties writes them, with NLTK as it is."""
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


def sacrebleu_with_its_memory() -> Callable[[Item], object]:
    """SacreBLEU as it is: it remembers the texts that it has seen, here all of them."""
    bleu = BLEU(effective_order=True)
    return lambda item: bleu.sentence_score(item.candidate, [item.reference])


def sacrebleu_without_memory() -> Callable[[Item], object]:
    with_memory = sacrebleu_with_its_memory()

    def run(item: Item) -> None:
        Tokenizer13a.__call__.cache_clear()
        TokenizerRegexp.__call__.cache_clear()
        with_memory(item)

    return run


def in_process() -> None:
    imported_mib = peak_mib()
    say("All default metrics of one explanation; explanations per second and core")
    items = make_items(400, word_count=90, entity_count=6)
    everything = ours()
    say_rate("90 words, 6 entities, every reference new", rate(everything, items))
    say_rate("the same, references analysed once", rate(with_known_references(items), items))
    unseen = make_items(1_000, word_count=90, entity_count=6, vocabulary=new_words(50_000))
    say_rate("the same from 50,000 words, each text once", rate(everything, unseen, rounds=1))
    mini = expart_mini_items()
    words = sum(len(item.candidate.split()) for item in mini) / len(mini)
    say_rate(f"ExpArt-mini's texts ({words:.0f} words), reference new", rate(everything, mini))

    say("Against plain libraries, every reference new")
    rouge = RougeScorer(["rouge1", "rouge2", "rougeL"])
    rouge_score = rate(lambda i: rouge.score(i.reference, i.candidate), items[:100])
    say_ratio("ROUGE-1/2/L : rouge_score", rate(ours(*ROUGE_METRICS), items), rouge_score)
    mine = rate(ours("bleu"), items)
    say_ratio("BLEU : sacreBLEU without memory", mine, rate(sacrebleu_without_memory(), items))
    say_ratio(
        "BLEU : sacreBLEU that knows each text", mine, rate(sacrebleu_with_its_memory(), items)
    )
    large = make_items(20, word_count=400, entity_count=60)
    entities, plain_rate = rate(ours(*ENTITY_METRICS), large), rate(plain_entities(), large[:2], 1)
    say_ratio("entities, 400 words, 60 of them : plain", entities, plain_rate)

    worst_cases()
    say(f"Peak memory: {peak_mib():.0f} MiB, {imported_mib:.0f} MiB of it after the imports")


def profile() -> None:
    """Prints where the time of the first case goes: by metric, and by function."""
    items = make_items(400, word_count=90, entity_count=6)
    spent = dict.fromkeys(("length", *DEFAULT_METRICS), 0)  # length first: it splits the texts
    for item in items:
        scored = ScoringInput(item.candidate, item.reference, item.entities)
        for name in spent:
            started = time.process_time_ns()
            METRICS[name].score(scored)
            spent[name] += time.process_time_ns() - started
    say("Microseconds of each metric; what several metrics share is the first one's")
    for name, nanoseconds in spent.items():
        say(f"  {name:<46} {nanoseconds / len(items) / 1_000:8.1f}")
    profiler = cProfile.Profile()
    everything = ours()
    profiler.enable()
    for item in items:
        everything(item)
    profiler.disable()
    pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(20)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_rate(name: str, found: float) -> None:
    say(f"  {name:<46} {found:8.0f}")


def say_ratio(name: str, mine: float, theirs: float) -> None:
    say(f"  {name:<46} {mine:8.0f} : {theirs:.1f} = {mine / theirs:.1f} times")
