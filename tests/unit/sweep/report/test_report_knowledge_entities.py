"""Which entities are named, counted by hand."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.analysis import EntityInput
from services.metrics.options import BoundaryRule, CaseRule, ScoringOptions
from services.sweep.report.evidence import Evidence
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.knowledge.entities import count_occurrences, entity_knowledge
from services.sweep.report.knowledge.model import EntityKnowledge, EntityStanding
from services.sweep.report.references import find_references
from services.sweep.report.sources import open_sources
from tests.unit.sweep.report.asked_dataset import Asked, write_questions
from tests.unit.sweep.report.reported_sweep import finish_sweep

QUESTIONS = (
    Asked("one", "Rome, Paris and Rome.", ("Rome", "Paris")),
    Asked("two", "It is in the Louvre.", ("Rome", "Louvre")),
)

# What each model says to each question; nothing where it fails.
SAID = {
    ("alpha", "one"): "Rome, Rome, Rome!",
    ("alpha", "two"): "The Louvre's Louvre.",
    ("beta", "one"): "Paris. Romeo.",
    ("beta", "two"): None,
}


def knowledge(
    folder: Path,
    said: Mapping[tuple[str, str], str | None] = SAID,
    questions: tuple[Asked, ...] = QUESTIONS,
    **declared: object,
) -> EntityKnowledge:
    evidence = _evidence(folder, said, questions, **declared)
    references = find_references(evidence).references
    assert references is not None
    return entity_knowledge(evidence, references.questions)


def _evidence(
    folder: Path,
    said: Mapping[tuple[str, str], str | None],
    questions: tuple[Asked, ...],
    **declared: object,
) -> Evidence:
    finish_sweep(
        folder / "out",
        models=tuple(dict.fromkeys(model for model, _ in said)),
        answer=lambda job: said[job.model.label, job.question.id],
        dataset=write_questions(folder / "dataset", questions),
        splits=["test_seen"],
        **{"settings": ["with_title"], **declared},
    )
    return gather_evidence(open_sources([str(folder / "out")]))


# alpha is asked for Rome twice and for the others once: it names Rome in one of two answers, once
# more than the reference (3 - 2), Paris never, and the Louvre once more than the reference (2 - 1).
# beta's one answer names Paris and not Rome: Romeo is another word.
ROME = EntityStanding("Rome", 3, asked=(2, 1), found=(1, 0), repeats=(1, 0))
PARIS = EntityStanding("Paris", 2, asked=(1, 1), found=(0, 1), repeats=(0, 0))
LOUVRE = EntityStanding("Louvre", 1, asked=(1, 0), found=(1, 0), repeats=(1, 0))


def test_answers_are_counted_that_name_an_entity_and_that_do_not(tmp_path: Path) -> None:
    found = knowledge(tmp_path)
    assert found.distinct == 3
    assert found.most_asked == (ROME, PARIS, LOUVRE)
    # Rome is missed by two answers and Paris by one, the Louvre by none.
    assert found.most_missed == (ROME, PARIS)
    # Both once too often; Rome is asked for more.
    assert found.most_repeated == (ROME, LOUVRE)
    # None is asked for five times.
    assert found.most_known == ()


def test_entities_are_counted_by_the_share_of_answers_that_name_them(tmp_path: Path) -> None:
    # alpha: Paris never, Rome in half of its answers, the Louvre always. beta: Rome never, Paris
    # always; it gave no answer that the Louvre was asked for.
    assert knowledge(tmp_path).coverage_counts == ((1, 0, 1, 0, 0, 1), (1, 0, 0, 0, 0, 1))


def test_both_settings_count_together_and_a_known_entity_needs_five_answers(
    tmp_path: Path,
) -> None:
    names = ("alpha", "beta", "gamma")
    said = {(name, "one"): "Rome" if name != "gamma" else "-" for name in names}
    found = knowledge(tmp_path, said, (QUESTIONS[0],), settings=["with_title", "without_title"])
    # Three models, two settings: six answers each. Rome is in four of them, Paris in none.
    assert [(one.entity, one.questions) for one in found.most_asked] == [("Paris", 6), ("Rome", 6)]
    assert [(one.entity, sum(one.found)) for one in found.most_known] == [("Rome", 4)]
    assert [one.entity for one in found.most_missed] == ["Paris", "Rome"]
    assert found.most_repeated == ()


def test_spellings_that_matching_cannot_tell_apart_are_one_entity(tmp_path: Path) -> None:
    questions = (
        Asked("one", "Rome is old.", ("Rome",)),
        Asked("two", "ROME again.", ("ROME",)),
    )
    said: dict[tuple[str, str], str | None] = {("alpha", "one"): "rome", ("alpha", "two"): "None."}
    options = {"scoring_options": {"case": "insensitive"}}
    (tmp_path / "folded").mkdir()
    folded = knowledge(tmp_path / "folded", said, questions, **options)
    assert folded.most_asked == (EntityStanding("Rome", 2, asked=(2,), found=(1,), repeats=(0,)),)
    plain = knowledge(tmp_path / "plain", said, questions)
    assert [(one.entity, one.found) for one in plain.most_asked] == [("ROME", (0,)), ("Rome", (0,))]


def test_questions_that_the_dataset_does_not_know_are_left_out(tmp_path: Path) -> None:
    evidence = _evidence(tmp_path, SAID, QUESTIONS)
    references = find_references(evidence).references
    assert references is not None
    assert [question.record for question in evidence.questions] == ["one", "two"]
    found = entity_knowledge(evidence, (None, references.questions[1]))
    assert [one.entity for one in found.most_asked] == ["Louvre", "Rome"]
    nothing = entity_knowledge(evidence, (None, None))
    assert nothing == EntityKnowledge(0, ((0,) * 6,) * 2, (), (), (), ())


PIECES = st.sampled_from(
    [
        "Rome",
        "rome",
        "Old Rome",
        "é",
        "e\u0301",
        "ß",
        "ss",
        ".",
        "! ",
        " ",
        "\n",
        "  ",
        "\u2019s",
        "-",
    ]
)


@given(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(st.sampled_from(["Rome", "Old Rome", "é", "ß", "\u2019s", "-"]), unique=True),
    st.sampled_from(list(CaseRule)),
    st.sampled_from(list(BoundaryRule)),
)
def test_counts_are_those_of_the_metrics(
    text: str, entities: list[str], case: CaseRule, boundary: BoundaryRule
) -> None:
    options = ScoringOptions(case=case, boundary=boundary)
    item = EntityInput(text, entities, options, None)
    assert count_occurrences([text], [item.entities], options).tolist() == item.in_candidate.counts


def test_every_text_needs_its_entities() -> None:
    with pytest.raises(ValueError, match="zip"):
        count_occurrences(["one", "two"], [("one",)], ScoringOptions())
