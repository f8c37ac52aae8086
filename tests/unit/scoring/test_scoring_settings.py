"""What the scoring service reads from its environment."""

import pytest

from services.core.errors import UserInputError
from services.scoring.settings import ScoringSettings, load_settings


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("EXPART_SCORING_WORKER", "EXPART_SCORING_WORKERS"),
        ("EXPART_SCORING_ADRESS", "EXPART_SCORING_ADDRESS"),
        ("EXPART_SCORING_MAX_PENDING_ITEM", "EXPART_SCORING_MAX_PENDING_ITEMS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "2")
    with pytest.raises(UserInputError) as caught:
        load_settings()
    assert caught.value.message == f"{name} is no setting; the nearest is {nearest}"


@pytest.mark.parametrize("name", ScoringSettings.model_fields)
def test_every_setting_may_be_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    default = getattr(ScoringSettings(workers=1), name)
    is_path = "Path" in str(ScoringSettings.model_fields[name].annotation)
    unset = "/tmp/address" if is_path else "3"
    value = unset if default is None else str(default)
    monkeypatch.setenv(f"EXPART_SCORING_{name.upper()}", value)
    assert str(getattr(load_settings(), name)) == value


def test_case_does_not_matter_and_variables_of_others_are_let_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXPART_GENERATION_WORKER", "2")
    # What Kubernetes sets for a service named expart-scoring.
    ports = (
        "SERVICE_PORT",
        "SERVICE_PORT_METRICS",
        "PORT",
        "PORT_50051_TCP",
        "PORT_50051_TCP_ADDR",
    )
    for name in ("SERVICE_HOST", *ports):
        monkeypatch.setenv(f"EXPART_SCORING_{name}", "tcp://10.0.0.1:50051")
    monkeypatch.setenv("expart_scoring_workers", "3")
    assert load_settings().workers == 3


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("WORKERS", "many", "Input should be a valid integer"),
        ("ENCODER_DEVICE", "gpu", "String should match pattern"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"EXPART_SCORING_{name}", value)
    with pytest.raises(UserInputError) as caught:
        load_settings()
    assert caught.value.message.startswith(f"EXPART_SCORING_{name}: {reason}")
    assert caught.value.message.endswith(f", got {value!r}")


def test_a_long_value_is_cut_and_further_mistakes_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXPART_SCORING_WORKERS", "x" * 1000)
    monkeypatch.setenv("EXPART_SCORING_BATCH_ITEMS", "0")
    with pytest.raises(UserInputError) as caught:
        load_settings()
    # The quotation mark counts as one of the 80 characters.
    assert caught.value.message.endswith(f", got '{'x' * 79}… (and 1 more)")
