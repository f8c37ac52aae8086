"""Gets the benchmark's files: from the hub at a pinned commit, or from a folder."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from services.benchmark.loader import SUFFIXES, dataset_file
from services.benchmark.records import Split
from services.core.errors import ExpArtError, UserInputError

REPOSITORY = "naist-nlp/ExpArt"
# Of 2024-02-29, by the beginning of its hash; the hub says the rest.
REVISION = "3b59b4f"
_FULL_HASH = re.compile(r"[0-9a-f]{40}")
_SHORT_HASH = re.compile(r"[0-9a-f]{7,39}")


class HubError(ExpArtError):
    """The hub cannot be reached, or failed."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files come from.

    Attributes:
        folder: A folder on this machine; if None, the hub.
        repository: The dataset's name on the hub.
        revision: A commit's hash, whole or its beginning; or a branch or tag.
    """

    folder: Path | None = None
    repository: str = REPOSITORY
    revision: str = REVISION


def pin(source: Source, known: str = "") -> str:
    """Gives the full hash of the commit that a hub source means.

    Args:
        source: A source of the hub.
        known: What the folder was prepared from before, ``owner/name@commit``: a revision that
            it begins with is that commit, and the hub is not asked.

    Raises:
        UserInputError: There is no such dataset or revision.
        HubError: The hub cannot be asked.
    """
    revision = source.revision
    if _FULL_HASH.fullmatch(revision):
        return revision
    repository, _, commit = known.rpartition("@")
    if (
        repository == source.repository
        and _SHORT_HASH.fullmatch(revision)
        and commit.startswith(revision)
    ):
        return commit
    try:
        if not _SHORT_HASH.fullmatch(revision):
            return str(HfApi().dataset_info(source.repository, revision=revision).sha)
        commits = HfApi().list_repo_commits(source.repository, repo_type="dataset")
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise _wrong(source, error) from error
    except (httpx2.HTTPError, OSError) as error:
        raise _unreachable(source, error) from error
    found = [item.commit_id for item in commits if item.commit_id.startswith(revision)]
    if len(found) != 1:
        count = len(found) or "no"
        raise UserInputError(f"{source.repository}: {count} commits begin with {revision}")
    return found[0]


def find_files(source: Source, commit: str, splits: Sequence[Split]) -> dict[Split, Path]:
    """Finds the splits' files where they come from; those of the hub are in its cache then.

    Raises:
        UserInputError: A file is missing at the source.
        HubError: The hub cannot be reached.
    """
    return {
        split: dataset_file(source.folder, split)
        if source.folder is not None
        else _hub_file(source, commit, split)
        for split in splits
    }


def put_files(found: Mapping[Split, Path], folder: Path) -> list[Path]:
    """Puts the splits' files into a folder, replacing what it held of them in whatever form."""
    files = []
    for split, file in found.items():
        place = folder / (split.value + file.suffix)
        if put(file, place):
            for suffix in set(SUFFIXES) - {file.suffix}:
                place.with_suffix(suffix).unlink(missing_ok=True)
        files.append(place)
    return files


def put(file: Path, place: Path) -> bool:
    """Copies a file to its place in one step; says whether that was needed."""
    if file.resolve() == place.resolve():
        return False
    beside = place.with_name(f".{place.name}.new")
    shutil.copyfile(file, beside)
    beside.replace(place)
    return True


def _hub_file(source: Source, commit: str, split: Split) -> Path:
    name = f"{split.value}.json"
    try:
        return Path(hf_hub_download(source.repository, name, repo_type="dataset", revision=commit))
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise _wrong(source, error) from error
    except LocalEntryNotFoundError as error:
        raise _unreachable(source, error) from error
    except EntryNotFoundError as error:
        message = f"{source.repository}: commit {commit} has no file {name}"
        raise UserInputError(message) from error
    except (httpx2.HTTPError, OSError) as error:
        raise _unreachable(source, error) from error


def _wrong(source: Source, error: Exception) -> UserInputError:
    return UserInputError(
        f"the hub has no dataset {source.repository} at {source.revision}, or it needs a login: "
        f"{_first_line(error)}"
    )


def _unreachable(source: Source, error: Exception) -> HubError:
    return HubError(
        f"{source.repository} cannot be loaded from the hub: {_first_line(error)}; a folder with "
        "the files does as well, by --from"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
