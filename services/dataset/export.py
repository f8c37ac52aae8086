"""Writes questions and their references in the formats that fine-tuning tools take."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.benchmark.images import PictureMissingError, PictureStore
from services.benchmark.loader import SUFFIXES, load_dataset
from services.benchmark.picture_names import is_inside
from services.benchmark.prepared import (
    DEAD_LINKS_FILE,
    IMAGE_FOLDER,
    IMAGES_FILE,
    MANIFEST_FILE,
    MAPPING_FILE,
)
from services.benchmark.records import Question, Setting, Split
from services.core.errors import UserInputError
from services.dataset.bad_records import BAD_RECORDS_FILE
from services.dataset.store import write_text

# What an export must not replace: it may be the only copy.
_OWN_FILES = (
    *(split.value + suffix for split in Split for suffix in SUFFIXES),
    *(BAD_RECORDS_FILE, DEAD_LINKS_FILE, IMAGES_FILE, MANIFEST_FILE, MAPPING_FILE),
)


class ExportFormat(StrEnum):
    """Shapes of training files."""

    LLAVA = "llava"
    MESSAGES = "messages"
    MESSAGES_PARTS = "messages-parts"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Attributes:
        written: Examples in the file.
        without_picture: Questions left out because their picture is not there.
    """

    written: int
    without_picture: int


def export(
    folder: Path,
    out: Path,
    shape: ExportFormat,
    *,
    splits: Sequence[Split] = (Split.TRAIN,),
    settings: Sequence[Setting] = tuple(Setting),
) -> Exported:
    """Exports splits of a dataset folder; pictures are named relative to that folder.

    Args:
        folder: A prepared folder, or one whose records name their pictures by path.
        out: The file: one JSON list for ``llava``, else one object a line.
        shape: Its format.
        splits: The files to take.
        settings: The settings to take.

    Raises:
        UserInputError: The dataset is not in order, not one question has its picture, there is no
            folder for the file, or the file is one of the dataset's own.
    """
    if not out.parent.is_dir():
        raise UserInputError(f"{out}: there is no folder {out.parent}")
    own = {(folder / name).resolve() for name in _OWN_FILES}
    if out.resolve() in own or is_inside(out, (folder / IMAGE_FOLDER).resolve()):
        raise UserInputError(f"{out}: this is part of the dataset; name another file")
    dataset = load_dataset(folder, splits)
    pictures = PictureStore(folder)
    examples: list[dict[str, object]] = []
    missing = 0
    for question in dataset.questions:
        if question.setting not in settings:
            continue
        try:
            picture = pictures.find(question.image)
        except PictureMissingError:
            missing += 1
            continue
        if out.resolve() == picture.resolve():
            raise UserInputError(f"{out}: this is a picture of the dataset; name another file")
        path = picture.resolve().relative_to(folder.resolve()).as_posix()
        examples.append(_example(question, path, shape))
    if not examples:
        raise UserInputError(f"{folder}: no question has its picture; prepare the folder first")
    if shape is ExportFormat.LLAVA:
        text = json.dumps(examples, ensure_ascii=False, indent=1) + "\n"
    else:
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in examples)
    write_text(out, text)
    return Exported(len(examples), missing)


def _example(question: Question, path: str, shape: ExportFormat) -> dict[str, object]:
    asked, reference = question.instruction, question.reference
    match shape:
        case ExportFormat.LLAVA:
            return {
                "id": question.name,  # ids of records are distinct in their split only
                "image": path,
                "conversations": [
                    {"from": "human", "value": f"<image>\n{asked}"},
                    {"from": "gpt", "value": reference},
                ],
            }
        case ExportFormat.MESSAGES:
            return {
                "messages": [
                    {"role": "user", "content": f"<image>\n{asked}"},
                    {"role": "assistant", "content": reference},
                ],
                "images": [path],
            }
        case ExportFormat.MESSAGES_PARTS:
            parts = [{"type": "image"}, {"type": "text", "text": asked}]
            return {
                "messages": [
                    {"role": "user", "content": parts},
                    {"role": "assistant", "content": [{"type": "text", "text": reference}]},
                ],
                "images": [path],
            }
