"""A hub's cache as a download leaves it, and a hub that answers as a test says."""

from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import HfApi, constants


def fill_cache(
    folder: Path, hub: str, branch: str, commit: str, *, file: str = "config.json"
) -> Path:
    """Writes what a download of a branch's file leaves: what it meant, and the file; gives that."""
    place = folder / f"models--{hub.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / branch).write_text(commit)
    snapshot = place / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / file).write_text("{}")
    return snapshot / file


def use_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Has the hub's client look for downloads in a folder."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))


def use_hub(monkeypatch: pytest.MonkeyPatch, **commits: str) -> list[str]:
    """Has the hub name the commit of each branch, or be out of reach where there is none.

    Returns:
        The branches that it is asked for.
    """
    asked: list[str] = []

    def model_info(_: HfApi, repo_id: str, *, revision: str, timeout: float) -> None:
        asked.append(revision)
        assert timeout <= 60
        if revision not in commits:
            raise httpx2.ConnectError(f"no way to {repo_id}")

    def download(repo_id: str, filename: str, *, revision: str) -> str:
        folder = Path(constants.HF_HUB_CACHE)
        return str(fill_cache(folder, repo_id, revision, commits[revision], file=filename))

    monkeypatch.setattr(HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked
