"""Settings that would only fail later are refused at the start."""

import pytest
from pydantic import ValidationError

from services.generation.settings import GenerationSettings


def test_an_endless_aspect_ratio_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # The image workers could not be started with it.
    monkeypatch.setenv("EXPART_GENERATION_IMAGE_MAX_ASPECT_RATIO", "inf")
    with pytest.raises(ValidationError, match="finite number"):
        GenerationSettings()
