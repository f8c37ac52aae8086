"""The settings file for production means what it says."""

import re
from pathlib import Path

import pytest

from services.scoring.encoder_layers import best_layer
from services.scoring.settings import PREFIX, ScoringSettings, load_settings

FILE = Path(__file__).resolve().parents[3] / "deploy" / "scoring" / "production.env"


def lines() -> dict[str, str]:
    """What the file sets: systemd, docker and a shell agree on NAME=value, without quotes."""
    found: dict[str, str] = {}
    for line in FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[A-Z0-9_]+=[\w./:-]*", line), line
            name, _, value = line.partition("=")
            assert name not in found
            found[name] = value
    return found


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ScoringSettings:
    for name, value in lines().items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_every_line_is_a_setting_that_exists() -> None:
    known = {PREFIX + name.upper() for name in ScoringSettings.model_fields}
    assert set(lines()) <= known


def test_the_service_takes_them_all(settings: ScoringSettings) -> None:
    assert settings.tls_client_ca_file is None
    assert settings.security.has_tls
    assert settings.encoder_device == "cuda"


def test_the_encoder_is_roberta_large_at_a_commit_and_by_the_layer_of_bert_score(
    settings: ScoringSettings,
) -> None:
    assert settings.encoder == "roberta-large"
    assert re.fullmatch("[0-9a-f]{40}", settings.encoder_revision)
    assert settings.encoder_layer == best_layer(settings.encoder) == 17
