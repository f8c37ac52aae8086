"""Prepares a dataset folder: files, checked records, pictures, and a manifest of it all."""

import asyncio
import fcntl
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from services.benchmark.loader import folder_mapping
from services.benchmark.mapping import load_mapping
from services.benchmark.picture_names import is_url
from services.benchmark.prepared import MANIFEST_FILE, MAPPING_FILE, dataset_revision
from services.benchmark.records import Split
from services.core.digests import digest_of_files
from services.core.errors import UserInputError
from services.dataset.bad_records import BAD_RECORDS_FILE, leave_out, list_bad_records
from services.dataset.download import download
from services.dataset.local_pictures import is_exchanged, take_local
from services.dataset.picture_checker import picture_checker
from services.dataset.progress import picture_progress
from services.dataset.settings import DatasetSettings, limit_of
from services.dataset.source import Source, find_files, pin, put, put_files
from services.dataset.store import PictureFolder, now, write_text
from services.dataset.validation import Validation, validate

_MAX_FAULTS_SHOWN = 20
_LOCK_FILE = ".prepare.lock"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What to prepare.

    Attributes:
        folder: The prepared folder, new or to be gone on with.
        source: Where the files come from.
        splits: The files wanted.
        mapping: YAML file with a field mapping; None tries the built-in ones.
        with_images: Whether to get the pictures.
        retry_dead: Whether to try again also those links that are not worth it.
        skip_bad: Whether to leave faulty records out, rather than to end with them.
    """

    folder: Path
    source: Source
    splits: Sequence[Split]
    mapping: Path | None = None
    with_images: bool = True
    retry_dead: bool = False
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a preparation came to.

    Attributes:
        wanted: Distinct pictures that records name.
        held: Those that are there.
        dead: Those that are not, by reason.
        worth_retrying: Of the dead ones, those worth another run.
        left_out: Faulty records that were left out.
    """

    wanted: int
    held: int
    dead: dict[str, int]
    worth_retrying: int
    left_out: int = 0


def prepare(job: Preparation, settings: DatasetSettings, console: Console) -> Prepared:
    """Prepares a folder, or goes on where an earlier run ended.

    Raises:
        UserInputError: A file, mapping or record is wrong, or another run is at work.
        HubError: The hub cannot be reached.
        KeyboardInterrupt: It was stopped; running again goes on.
    """
    if job.skip_bad and job.source.folder is not None and _is_same(job.source.folder, job.folder):
        raise UserInputError(
            f"{job.folder}: --skip-bad would take records out of your own files; name another "
            "folder to prepare"
        )
    job.folder.mkdir(parents=True, exist_ok=True)
    with _locked(job.folder):
        known = dataset_revision(job.folder)
        commit = "" if job.source.folder is not None else pin(job.source, known)
        found = find_files(job.source, commit, job.splits)
        given = folder_mapping(job.folder) if job.mapping is None else load_mapping(job.mapping)
        checked = validate(found, given)
        _report(checked, job, console)
        # From here on the folder changes: what is wrong left it as it was.
        if job.mapping is not None:
            put(job.mapping, job.folder / MAPPING_FILE)
        files = put_files(found, job.folder)
        if job.skip_bad:
            leave_out(checked, job.folder)
        list_bad_records(checked.all_faults, job.folder)
        pictures = PictureFolder(job.folder)
        # Written at once too: a run that is stopped tells the next one which commit it was of.
        result = _result(checked, pictures)
        _write_manifest(job, commit, files, checked, result)
        if job.with_images:
            _get_pictures(job, checked, pictures, settings, console)
            result = _result(checked, pictures)
            _write_manifest(job, commit, files, checked, result)
    return result


def _is_same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserInputError(f"{folder}: another expart dataset prepare is at work") from error
        yield


def _report(checked: Validation, job: Preparation, console: Console) -> None:
    """Prints the counts.

    Raises:
        UserInputError: There are faulty records that are not to be left out, or no good one.
    """
    for split, counts in checked.splits.items():
        settings = ", ".join(f"{n} {setting.value}" for setting, n in counts.questions.items())
        _say(
            console,
            f"{split.value}: {counts.records} records, {len(counts.artworks)} artworks, "
            f"questions: {settings or 'none'}; {counts.without_entities} without entities",
        )
    faults = checked.all_faults
    for fault in faults[:_MAX_FAULTS_SHOWN]:
        _say(console, str(fault))
    good = sum(counts.records for counts in checked.splits.values())
    if faults and not job.skip_bad:
        raise UserInputError(
            f"{len(faults)} of {good + len(faults)} records are faulty, the first: {faults[0]}; "
            "--skip-bad leaves them out and lists them in a file"
        )
    if not good:
        raise UserInputError(
            "the files hold no record at all" if not faults else "every record is faulty"
        )
    if faults:
        _say(
            console,
            f"{len(faults)} of {good + len(faults)} records are faulty and left out, see "
            f"{job.folder / BAD_RECORDS_FILE}",
        )
    assert checked.mapping is not None  # it has read the good ones
    _say(console, f"field mapping: {checked.mapping.name}")


def _get_pictures(
    job: Preparation,
    checked: Validation,
    pictures: PictureFolder,
    settings: DatasetSettings,
    console: Console,
) -> None:
    missing = [image for image in checked.images if _is_wanted(image, job, pictures, settings)]
    # First those that were not asked for yet: a host may be given up over the others.
    missing.sort(key=lambda image: image in pictures.dead and pictures.dead[image].attempts > 0)
    url_count = sum(map(is_url, missing))
    if url_count and not settings.contact:
        _say(console, "no --contact is given; Wikimedia asks for one, and may refuse without")
    try:
        with picture_progress(console, pictures, url_count) as note:
            asyncio.run(_take(missing, job, pictures, settings, note))
    finally:
        pictures.tidy()


def _is_wanted(
    image: str, job: Preparation, pictures: PictureFolder, settings: DatasetSettings
) -> bool:
    """Whether this run is to get a picture: one that it lacks and may get, or that has changed."""
    held, dead = pictures.held.get(image), pictures.dead.get(image)
    if not is_url(image):
        return held is None or is_exchanged(held, job.source.folder or job.folder)
    if held is not None:
        return False
    if dead is None or dead.again or job.retry_dead:
        return True
    return dead.limit != limit_of(dead.reason, settings)


async def _take(
    images: Sequence[str],
    job: Preparation,
    pictures: PictureFolder,
    settings: DatasetSettings,
    note: Callable[[], None],
) -> None:
    paths = [image for image in images if not is_url(image)]
    urls = [image for image in images if is_url(image)]
    async with picture_checker(settings.max_bytes, settings.max_pixels) as checker:
        await take_local(paths, job.source.folder or job.folder, pictures, checker)
        await download(urls, pictures, settings, note=note, checker=checker)


def _result(checked: Validation, pictures: PictureFolder) -> Prepared:
    dead = [pictures.dead[image] for image in checked.images if image in pictures.dead]
    return Prepared(
        wanted=len(checked.images),
        held=sum(image in pictures.held for image in checked.images),
        dead=dict(Counter(link.reason for link in dead)),
        worth_retrying=sum(link.again for link in dead),
        left_out=len(checked.all_faults),
    )


def _write_manifest(
    job: Preparation, commit: str, files: list[Path], checked: Validation, result: Prepared
) -> None:
    assert checked.mapping is not None  # there are records
    source: dict[str, str] = (
        {"folder": str(job.source.folder)}
        if job.source.folder is not None
        else {"repository": job.source.repository, "revision": commit}
    )
    manifest = {
        "format": 1,
        "source": source,
        "prepared_at": now(),
        "mapping": checked.mapping.name,
        "digest": digest_of_files(files, job.folder),
        "files": {
            file.name: {
                "digest": digest_of_files([file], job.folder),
                "records": counts.records,
                "left_out": len(checked.faults[split]),
                "questions": {setting.value: count for setting, count in counts.questions.items()},
                "artworks": len(counts.artworks),
                "without_entities": counts.without_entities,
            }
            for file, (split, counts) in zip(files, checked.splits.items(), strict=True)
        },
        "images": {
            "wanted": result.wanted,
            "held": result.held,
            "dead": result.dead,
            "worth_retrying": result.worth_retrying,
        },
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    write_text(job.folder / MANIFEST_FILE, text)


def _say(console: Console, message: str) -> None:
    console.print(message, markup=False, highlight=False, soft_wrap=True)
