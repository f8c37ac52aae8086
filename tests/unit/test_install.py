"""The installer decides rightly what to do, without installing anything here."""

from pathlib import Path

import pytest

from deploy import install

LOCKS = install.PROJECT / "deploy" / "locks"


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "venv"
    monkeypatch.setattr(install, "VENV", folder)
    return folder


def test_the_two_builds_of_vllm_never_share_an_environment(venv: Path) -> None:
    venv.mkdir()
    (venv / "engine").write_text("gpu")
    with pytest.raises(SystemExit, match="holds the gpu build"):
        install.prepare_venv("cpu")


def test_an_environment_that_was_not_finished_is_made_anew(venv: Path) -> None:
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "leftover").touch()
    install.prepare_venv("cpu")
    assert (venv / "bin" / "pip").exists()
    assert not (venv / "bin" / "leftover").exists()
    assert (venv / "engine").read_text() == "cpu"


def test_what_building_the_shim_leaves_behind_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "setup.py").write_text("one")
    monkeypatch.setattr(install, "SHIM", shim)
    before = install.fingerprint(LOCKS / "cpu.txt")
    (shim / "shim.egg-info").mkdir()
    assert install.fingerprint(LOCKS / "cpu.txt") == before
    (shim / "setup.py").write_text("two")
    assert install.fingerprint(LOCKS / "cpu.txt") != before


def test_every_lock_pins_torch_so_that_it_can_be_installed_first() -> None:
    pins = {install.torch_requirement(LOCKS / f"{name}.txt") for name in ("cpu", "dev", "gpu")}
    assert len(pins) == 1
