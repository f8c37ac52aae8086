"""How long a folder is waited for that does not take a file, and who may write one."""

from pathlib import Path

import pytest

from services.core.errors import StorageError
from services.sweep.results.folder import LocalFolder, StoreUnavailableError
from services.sweep.results.patience import CommitPatience
from services.sweep.results.tables import ResultTables

PATIENCE = CommitPatience(limit_s=60, first_pause_s=0.001, longest_pause_s=0.002)


class UnavailableFolder(LocalFolder):
    """A folder that does not take the first files it is given."""

    def __init__(self, path: Path, refusals: int) -> None:
        super().__init__(path)
        self.refusals = refusals

    def write(self, name: str, content: bytes) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailableError("the object store cannot be reached")
        super().write(name, content)


def test_a_file_is_written_once_the_store_is_back(tmp_path: Path) -> None:
    folder = UnavailableFolder(tmp_path, refusals=3)
    ResultTables(folder, patience=PATIENCE).write("manifest.json", b"{}")
    assert (tmp_path / "manifest.json").read_bytes() == b"{}"


def test_a_store_that_stays_away_is_given_up(tmp_path: Path) -> None:
    folder = UnavailableFolder(tmp_path, refusals=1_000_000)
    patience = CommitPatience(limit_s=0.01, first_pause_s=0.001, longest_pause_s=0.002)
    with pytest.raises(StoreUnavailableError):
        ResultTables(folder, patience=patience).write("manifest.json", b"{}")


def test_a_driver_that_lost_its_shard_while_the_store_was_away_writes_no_file(
    tmp_path: Path,
) -> None:
    folder = UnavailableFolder(tmp_path, refusals=1)

    def check() -> None:
        if not folder.refusals:  # lost while the first attempt failed
            raise StorageError("another driver has taken this shard over")

    with pytest.raises(StorageError, match="taken this shard over"):
        ResultTables(folder, patience=PATIENCE, check=check).write("manifest.json", b"{}")
    assert not (tmp_path / "manifest.json").exists()
