"""The results from papers that come with the project."""

import pytest

from services.benchmark.records import Setting
from services.metrics.registry import METRICS
from services.sweep.report.published import published_rows
from services.sweep.report.tables.layout import shown


def test_the_rows_are_those_of_the_paper_as_printed() -> None:
    # Kato et al., arXiv:2609.00629, Table 1: Qwen3-VL-8B-Instruct.
    printed = {
        Setting.WITH_TITLE: "1.18 24.89 5.53 15.94 83.62 16.93 14.82 22.67 "
        "1.76 1.55 1.53 1.44 91.3",
        Setting.WITHOUT_TITLE: "0.29 20.59 3.18 13.26 82.65 5.95 5.79 12.55 "
        "0.54 0.52 0.50 0.51 82.1",
    }
    order = [name for name in METRICS if name != "length_penalty"]
    rows = published_rows()
    assert {row.setting for row in rows} == set(printed)
    for row in rows:
        assert list(row.values) == order
        values = " ".join(shown(name, value) for name, value in row.values.items())
        assert values == printed[row.setting]


def test_every_row_names_its_source_and_that_it_is_a_sample() -> None:
    for row in published_rows():
        assert "arXiv:2609.00629" in row.source
        assert "1,199" in row.sample


def test_values_are_as_the_metrics_give_them() -> None:
    (row, _) = published_rows()
    assert row.values["ef1"] == pytest.approx(0.1693)
    assert row.values["length"] == 91.3
