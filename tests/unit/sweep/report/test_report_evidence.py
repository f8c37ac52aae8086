"""The arrays that a report is made from."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.sweep.plan.plan import Job
from services.sweep.report.evidence import PARTS, SETTINGS, Evidence
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.sources import open_sources
from services.sweep.results.rows import GenerationRow, Table
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.controls import Control
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.report.reported_sweep import NOW, finish_sweep, truthful


def gather(*outputs: Path, metrics: Sequence[str] = ()) -> Evidence:
    return gather_evidence(open_sources([str(output) for output in outputs]), metrics)


def tables_of(output: Path) -> ResultTables:
    return ResultStore(output).tables(Shard())


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one of which fails at Composition."""

    def answer(job: Job) -> str | None:
        is_refused = job.model.label == "beta" and job.question.section == "Composition"
        return None if is_refused else truthful(job)

    folder = tmp_path_factory.mktemp("evidence") / "out"
    finish_sweep(folder, answer=answer, controls=["none", "no_image"])
    return folder


def test_contenders_are_models_by_controls_in_the_order_of_the_spec(output: Path) -> None:
    evidence = gather(output)
    assert [one.label for one in evidence.contenders] == [
        *("alpha", "alpha, no image"),
        *("beta", "beta, no image"),
    ]
    assert [one.control for one in evidence.contenders][:2] == [Control.NONE, Control.NO_IMAGE]
    assert {one.sweep for one in evidence.contenders} == {"out"}


def test_each_row_says_what_its_plan_says(output: Path) -> None:
    evidence = gather(output)
    [source] = evidence.sources
    assert len(evidence) == len(source.plan) == evidence.offsets[-1]
    for row in range(0, len(evidence), 7):
        question = evidence.questions[evidence.question[row]]
        assert question.name == source.plan.question_name(row)
        assert question.artwork == evidence.artworks[evidence.artwork[row]]
        assert question.artwork == evidence.text("artwork", row)
        assert question.setting is SETTINGS[evidence.setting[row]]
        assert question.part is PARTS[evidence.part[row]]
        assert evidence.contenders[evidence.contender[row]].model == evidence.text("model", row)
        assert evidence.key(row) == source.plan.key(row)
        assert evidence.source_of(row) is source


def test_a_question_has_one_number_in_all_contenders_and_its_pair_in_both_settings(
    output: Path,
) -> None:
    evidence = gather(output)
    # Every contender is asked every question once.
    assert set(Counter(evidence.question.tolist()).values()) == {len(evidence.contenders)}
    pairs: dict[int, set[tuple[str, str, str]]] = {}
    settings: dict[int, list[Setting]] = {}
    for question in evidence.questions:
        named = (question.split, question.question_id, question.section)
        pairs.setdefault(question.pair, set()).add(named)
        settings.setdefault(question.pair, []).append(question.setting)
    assert len(pairs) == evidence.pair_count == len(evidence.questions) // 2
    assert all(len(names) == 1 for names in pairs.values())
    assert all(sorted(both) == sorted(Setting) for both in settings.values())


def test_rows_are_those_of_contender_setting_and_part(output: Path) -> None:
    evidence = gather(output)
    rows = evidence.rows(1, Setting.WITHOUT_TITLE, "unseen")
    assert len(rows)
    assert {evidence.text("split", row) for row in rows.tolist()} == {"test_unseen"}
    assert {evidence.text("setting", row) for row in rows.tolist()} == {"without_title"}
    assert {evidence.text("control", row) for row in rows.tolist()} == {"no_image"}
    seen = evidence.rows(1, Setting.WITHOUT_TITLE, "seen")
    every = evidence.rows(1, Setting.WITHOUT_TITLE)
    assert every.tolist() == sorted([*rows.tolist(), *seen.tolist()])


def test_what_failed_is_no_answer_and_says_why(output: Path) -> None:
    evidence = gather(output)
    composition = [one.section == "Composition" for one in evidence.questions]
    expected = np.array(composition)[evidence.question] & (evidence.contender >= 2)
    assert expected.any()
    assert (evidence.is_failed == expected).all()
    assert (evidence.is_scored == ~expected).all()
    row = int(np.flatnonzero(expected)[0])
    assert evidence.failure(row) == "PROMPT_TOO_LONG"
    assert evidence.failure(int(np.flatnonzero(~expected)[0])) == ""


def test_scores_come_with_their_rows_over_several_sweeps(tmp_path: Path) -> None:
    def words(job: Job) -> str:
        return " ".join(["swan"] * (1 + zlib.crc32(job.key.encode()) % 50))

    one, two = tmp_path / "one", tmp_path / "two"
    finish_sweep(one, models=("alpha",), artworks=1, metrics=["length", "ef1"], answer=words)
    finish_sweep(two, models=("beta",), artworks=2, metrics=["length"], answer=words)
    evidence = gather(one, two)
    assert evidence.metrics == ("ef1", "length")
    assert [one.label for one in evidence.contenders] == ["alpha", "beta"]
    first, end = evidence.offsets[1:]
    every = np.arange(end, dtype=np.int64)
    rows, scores = evidence.scores("length", every)
    assert rows.tolist() == every.tolist()
    texts = {
        int(row): text
        for rows_, batch in evidence.answers(["text"])
        for row, text in zip(rows_, batch.column("text").to_pylist(), strict=True)
    }
    assert scores.values.tolist() == [len(texts[row].split()) for row in range(end)]
    rows, scores = evidence.scores("ef1", every)
    assert rows.tolist() == list(range(first))
    assert scores.signature == evidence.signatures["ef1"]
    values = evidence.values("ef1")
    assert np.isnan(values[first:]).all()
    assert (values[rows[scores.is_scorable]] == scores.values[scores.is_scorable]).all()
    rows, scores = evidence.scores("ef1", every[first:])
    assert len(rows) == len(scores) == 0


def test_sweeps_share_their_questions(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "one", models=("alpha",), artworks=2)
    finish_sweep(tmp_path / "two", models=("alpha",), artworks=1)
    evidence = gather(tmp_path / "one", tmp_path / "two")
    assert [one.label for one in evidence.contenders] == ["alpha, one", "alpha, two"]
    first, second = (set(evidence.question[evidence.rows(place)].tolist()) for place in (0, 1))
    assert second < first
    # The second sweep's answers are found at the end of all rows.
    row = len(evidence) - 1
    assert evidence.source_of(row) is evidence.sources[1]
    assert evidence.questions[evidence.question[row]].title == evidence.text("title", row)


def test_labels_tell_what_contenders_differ_in(tmp_path: Path) -> None:
    finish_sweep(
        tmp_path / "out",
        models=("alpha",),
        artworks=1,
        metrics=["length"],
        prompts={"plain": {}, "terse": {"template": "{instruction} Be terse."}},
        samplings={"greedy": {"temperature": 0}, "warm": {"temperature": 1}},
    )
    finish_sweep(
        tmp_path / "new",
        models=("alpha",),
        artworks=1,
        metrics=["length"],
        revisions={"alpha": "0123456789abcdef"},
        sampling={"temperature": 0},
    )
    evidence = gather(tmp_path / "out", tmp_path / "new")
    assert [one.label for one in evidence.contenders] == [
        "alpha, r1, plain, greedy",
        "alpha, r1, plain, warm",
        "alpha, r1, terse, greedy",
        "alpha, r1, terse, warm",
        "alpha, 01234567, plain, default",
    ]


def test_answers_come_once_each_and_the_earliest_of_two_counts(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out", models=("alpha",), artworks=1, metrics=["length"])
    tables = tables_of(tmp_path / "out")
    columns = list(GenerationRow.__dataclass_fields__)
    [stored] = [
        row for batch in tables.batches(Table.GENERATIONS, columns) for row in batch.to_pylist()
    ][:1]
    row = GenerationRow(**stored)
    later = row.generated_at + timedelta(minutes=1)
    earlier = row.generated_at - timedelta(minutes=1)
    tables.append([replace(row, text="the later", generated_at=later)])
    tables.append([replace(row, text="the earlier", generated_at=earlier)])
    tables.append([replace(row, text="a stranger", key="q2-stranger")])
    evidence = gather(tmp_path / "out")
    found: dict[int, str] = {}
    for rows, batch in evidence.answers(["text"]):
        assert batch.schema.names == ["text"]
        for at, text in zip(rows.tolist(), batch.column("text").to_pylist(), strict=True):
            assert at not in found
            found[at] = text
    assert sorted(found) == list(range(len(evidence)))
    keys = {evidence.key(at): text for at, text in found.items()}
    assert keys[row.key] == "the earlier"
    assert "the later" not in keys.values()
    assert "a stranger" not in keys.values()


def test_the_choices_of_scoring_are_those_that_the_signatures_tell(tmp_path: Path) -> None:
    finish_sweep(
        tmp_path / "out",
        models=("alpha",),
        artworks=1,
        scoring_options={"case": "insensitive", "tokenizer": "wordpunct"},
    )
    scoring = gather(tmp_path / "out").scoring
    assert (scoring.case, scoring.tokenizer) == ("insensitive", "wordpunct")


def test_scores_of_different_signatures_are_refused_by_the_names_of_both(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    finish_sweep(one, models=("alpha",), artworks=1)
    finish_sweep(two, models=("beta",), artworks=1, scoring_options={"case": "insensitive"})
    with pytest.raises(UserInputError, match=f"{one} and {two}: scores of ef1 carry") as said:
        gather(one, two)
    assert "case:sensitive" in said.value.message
    assert "case:insensitive" in said.value.message
    assert f"expart sweep rescore {two}" in said.value.message
    # Where entities play no part they are comparable.
    assert gather(one, two, metrics=["bleu", "length"]).metrics == ("bleu", "length")


def test_metrics_are_chosen_by_name_in_the_order_of_the_published_tables(output: Path) -> None:
    assert gather(output, metrics=["length", "bleu"]).metrics == ("bleu", "length")


@pytest.mark.parametrize(
    ("name", "said"),
    [("belu", "there is no metric 'belu'"), ("rouge_l", "no answer was scored by 'rouge_l'")],
)
def test_a_metric_that_is_not_there_is_refused(output: Path, name: str, said: str) -> None:
    with pytest.raises(UserInputError, match=said):
        gather(output, metrics=[name])


def test_nothing_scored_is_no_metric(tmp_path: Path) -> None:
    finish_sweep(tmp_path / "out", artworks=1, answer=lambda job: None, begun_at=NOW)
    evidence = gather(tmp_path / "out")
    assert evidence.metrics == ()
    assert evidence.is_failed.all()
    assert list(evidence.answers(["text"])) == []
