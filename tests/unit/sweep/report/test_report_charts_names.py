import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.sweep.report.charts.labels import text_width
from services.sweep.report.charts.names import fitted_apart, names_of


def test_names_take_as_much_room_as_the_longest_within_limits() -> None:
    # 10 units before them and 14 behind; 90 at least, 240 at most.
    assert names_of(["a"]).width == 114.0
    assert names_of([]).width == 114.0
    assert 254.0 < names_of(["a long name " * 9]).width <= 264.0
    assert names_of(["a"], ["beneath the name of a row"]).width > 114.0


def test_names_that_fit_stay_as_they_are() -> None:
    assert dict(names_of(["a", "b"]).short) == {"a": "a", "b": "b"}


def test_long_names_that_would_look_alike_lose_what_they_have_in_common() -> None:
    names = [f"organisation/a-model-with-a-long-name-{n}-of-many, other" for n in (1, 12)]
    assert list(fitted_apart(names, 150.0).values()) == ["…1-of-many, other", "…12-of-many, other"]


def test_names_that_differ_only_by_an_end_are_told_apart() -> None:
    names = ["x" * 90, "x" * 90 + " y"]
    short = fitted_apart(names, 100.0)
    assert len(set(short.values())) == 2


@given(
    st.lists(st.from_regex(r"[a-z]{1,30}/[a-z]{1,30}-[0-9]{1,3}", fullmatch=True), max_size=8),
    st.floats(60.0, 240.0),
)
@example(["a/aafwaa-000"], 84.0)  # its letters, added up in another order, are a rounding wider
def test_fitted_names_fit(names: list[str], width: float) -> None:
    short = fitted_apart(names, width)
    assert set(short) == set(names)
    assert all(text_width(written) <= width for written in short.values())


@pytest.mark.parametrize("count", [2, 20])
def test_names_of_numbered_models_are_all_different(count: int) -> None:
    names = [
        f"a/very-long-name-of-an-organisation-and-{n}-of-its-models, more" for n in range(count)
    ]
    assert len(set(names_of(names).short.values())) == count
