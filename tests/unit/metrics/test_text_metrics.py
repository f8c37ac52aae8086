"""Edge cases of BLEU, ROUGE and length; parity with the libraries is in tests/properties."""

import pytest

from services.metrics import METRICS, ScoringInput, score_all
from services.metrics.bleu import tokenize_13a


def values(candidate: str, reference: str) -> dict[str, float | None]:
    names = [name for name in METRICS if name.startswith(("bleu", "rouge", "length"))]
    return {s.metric: s.value for s in score_all(ScoringInput(candidate, reference), names)}


def test_an_empty_candidate_scores_zero() -> None:
    found = values("", "The Louvre.")
    penalty = found.pop("length_penalty")
    assert set(found.values()) == {0.0}
    assert penalty == 1.0


@pytest.mark.parametrize("text", ["Paris", "In Paris.", "The cat sat on the mat in the Louvre."])
def test_a_text_is_worth_1_against_itself_however_short(text: str) -> None:
    found = values(text, text)
    assert found["bleu"] == 1.0
    assert found["rouge_1"] == found["rouge_l"] == 1.0


def test_rouge_has_nothing_to_compare_in_text_of_other_scripts() -> None:
    found = values("蒙娜丽莎", "蒙娜丽莎")
    assert (found["rouge_1"], found["rouge_2"], found["rouge_l"]) == (0.0, 0.0, 0.0)
    assert found["bleu"] == 1.0


def test_bleu_statistics_are_those_of_the_formula() -> None:
    # Candidate: the cat sat . (4 tokens); reference: the cat ran away . (5 tokens).
    # Unigrams shared: the, cat, full stop = 3 of 4; bigrams: "the cat" = 1 of 3; no longer ones.
    item = ScoringInput("the cat sat.", "the cat ran away.")
    [score] = score_all(item, ["bleu"])
    assert score.statistics == (4, 5, 3, 1, 0, 0, 4, 3, 2, 1)


def test_rouge_l_is_the_longest_common_subsequence() -> None:
    # a b c d against b d a c: "b d", "a c" or "b c": 2. Precision and recall 2/4.
    [score] = score_all(ScoringInput("a b c d", "b d a c"), ["rouge_l"])
    assert score.value == pytest.approx(0.5)
    assert score.statistics == (0.5, 0.5, 2, 4, 4)


def test_length_counts_words_and_punctuation_marks() -> None:
    # It / is / n't / in / St. / Denis / , / is / it / ?
    assert values("It isn't in St. Denis, is it?", "r")["length"] == 10


def test_sacrebleus_tokeniser_keeps_no_text() -> None:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    before = (Tokenizer13a.__call__.cache_info(), TokenizerRegexp.__call__.cache_info())
    assert tokenize_13a("A text, seen never before: 3,14-15.") == (
        ["A", "text", ",", "seen", "never", "before", ":", "3,14", "-", "15", "."]
    )
    after = (Tokenizer13a.__call__.cache_info(), TokenizerRegexp.__call__.cache_info())
    assert before == after


def test_13a_entities_and_skipped_marks_are_replaced_once() -> None:
    # "&amp;quot;" is "&quot;" once replaced, and stays; "<ski<skipped>pped>" likewise.
    assert tokenize_13a("&amp;quot; <ski<skipped>pped>") == ["&", "quot", ";", "<", "skipped", ">"]
    assert tokenize_13a("com-\nposition") == ["composition"]


def test_rouge_l_of_texts_longer_than_a_machine_word() -> None:
    # 200 distinct words, of which the candidate leaves out every fourth: 150 in order.
    reference = " ".join(f"w{n}" for n in range(200))
    candidate = " ".join(f"w{n}" for n in range(200) if n % 4)
    [score] = score_all(ScoringInput(candidate, reference), ["rouge_l"])
    assert score.statistics[2:] == (150, 150, 200)
    assert score.value == pytest.approx(2 * 150 / 350)
