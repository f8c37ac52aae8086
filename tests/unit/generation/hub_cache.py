"""A hub's cache as a download leaves it, and a hub that answers as a test says."""

from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from huggingface_hub import HfApi, constants


def fill_cache(
    folder: Path, hub: str, branch: str, commit: str, *, file: str = "config.json"
) -> None:
    """Writes what a download of a branch leaves: what it meant, and the commit's files."""
    place = folder / f"models--{hub.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / branch).write_text(commit)
    snapshot = place / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / file).write_text("{}")


def use_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Has the hub's client look for downloads in a folder."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))


def use_hub(monkeypatch: pytest.MonkeyPatch, **commits: str) -> list[str]:
    """Has the hub name the commit of each branch, or be out of reach where there is none.

    Returns:
        The branches that it is asked for.
    """
    asked: list[str] = []

    def model_info(
        _: HfApi, repo_id: str, *, revision: str, timeout: float | None = None
    ) -> SimpleNamespace:
        asked.append(revision)
        assert timeout is not None
        if revision not in commits:
            raise httpx2.ConnectError(f"no way to {repo_id}")
        return SimpleNamespace(sha=commits[revision])

    monkeypatch.setattr(HfApi, "model_info", model_info)
    return asked
