"""Reports for the browser: the sample's numbers with questions and answers made up here."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from services.metrics.options import ScoringOptions
from services.sweep.report.charts import charts, charts_css
from services.sweep.report.model import Report
from services.sweep.report.page.render import render_page
from services.sweep.report.viewer.packing import (
    DataScript,
    Json,
    ShownAnswer,
    ShownQuestion,
    chunk_script,
    data_script,
)
from tests.unit.sweep.report.sample_report import sample_report

MODELS = ("demo-smol", "demo-tiny")
METRICS = ("ef1", "rouge_l", "length")

# The worked example of the benchmark's notes: four of five entities are found, one in part.
REFERENCE = (
    "The Mona Lisa was painted by Leonardo da Vinci. It hangs in the Louvre in Paris. "
    "Leonardo da Vinci worked on it in Florence."
)
EXPLANATION = (
    "The Mona Lisa is a portrait by Leonardo. It is in the Louvre. The Louvre is in Paris."
)
ENTITIES = ("Mona Lisa", "Leonardo da Vinci", "Louvre", "Paris", "Florence")

TITLES = ("Mona Lisa", "The Night Watch", "Café Terrace at Night", "Guernica")
SECTIONS = ("History", "Description")
SETTINGS = ("with_title", "without_title")


def write_page(
    folder: Path, report: Report, scripts: Sequence[DataScript], *, external: bool = False
) -> Path:
    """Writes a report with its viewer's data, in the page or beside it."""
    if external:
        for script in scripts:
            file = folder / "report_data" / f"{script.name}.js"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(script.text, encoding="utf-8")
    page = render_page(
        report,
        tuple(charts(report).values()),
        charts_css=charts_css(),
        inline=() if external else [script.text for script in scripts],
        external=external,
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def mini_page(folder: Path, *, external: bool = False) -> Path:
    """The sample report with 16 questions of two models; one answer has failed."""
    return write_page(folder, sample_report(), mini_scripts(), external=external)


def mini_scripts() -> list[DataScript]:
    """The data: four titles, two sections, both settings; the record of the first has a slash."""
    names, questions = [], []
    for number, title in enumerate(TITLES):
        for section in SECTIONS:
            for setting in SETTINGS:
                record = f"{number}/{section}"
                names.append((f"test_seen/{record}/{setting}", record, title, section, setting))
                questions.append(_question(title, section, failed=title == "Guernica"))
    columns: dict[str, list[Json]] = {
        "name": [name for name, *_ in names],
        "question_id": [record for _, record, *_ in names],
        "title": [title for _, _, title, *_ in names],
        "artwork": [title for _, _, title, *_ in names],
        "section": [section for *_, section, _ in names],
        "setting": [SETTINGS.index(setting) for *_, setting in names],
        "part": [0 for _ in names],
        "chunk": [place // 8 for place in range(len(names))],
        "offset": [place % 8 for place in range(len(names))],
    }
    answers = [
        (question, contender, 2 if shown.answers[contender].failure else 0)
        for question, shown in enumerate(questions)
        for contender in range(len(MODELS))
    ]
    values: dict[str, Json] = {
        metric: [
            None if status else float(10 * question + contender)
            for question, contender, status in answers
        ]
        for metric in METRICS
    }
    index = index_script(columns, answers, values, MODELS)
    chunks = [
        chunk_script(number, questions[8 * number : 8 * number + 8], ScoringOptions())
        for number in range(2)
    ]
    return [index, *chunks, data_script("pictures/0", [picture("#7a5c3e"), picture("#35506b")])]


def index_script(
    questions: Mapping[str, Json],
    answers: Iterable[tuple[int, int, int]],
    values: Mapping[str, Json],
    contenders: Sequence[str],
) -> DataScript:
    """The index: answers are question, contender and status, one replicate each."""
    rows = list(answers)
    return data_script(
        "index",
        {
            "version": 1,
            "contenders": contenders,
            "metrics": list(values),
            "questions": questions,
            "answers": {
                "question": [question for question, _, _ in rows],
                "contender": [contender for _, contender, _ in rows],
                "replicate": [0] * len(rows),
                "status": [status for *_, status in rows],
                "truncated": [0] * len(rows),
                "values": values,
            },
            "shown": len(rows),
            "total": len(rows) + 10,
            "note": "",
        },
    )


def _question(title: str, section: str, *, failed: bool) -> ShownQuestion:
    smol = _answer(0, EXPLANATION)
    tiny = _answer(1, None if failed else f"{title}: its {section.lower()} in Paris.")
    return ShownQuestion(
        instruction=f"Focus on {title} and explain the {section.lower()}.",
        reference=REFERENCE,
        entities=ENTITIES,
        picture=(0, 0),
        answers=(smol, tiny),
    )


def _answer(contender: int, text: str | None) -> ShownAnswer:
    return ShownAnswer(
        contender=contender,
        replicate=0,
        text=text,
        failure=None if text is not None else "DEADLINE_EXCEEDED: the answer took too long",
        metrics={"ef1": 60.0, "rouge_l": "NO_TOKENS", "length": 21.0},
        provenance={"Model": MODELS[contender], "Revision": "r1", "Engine": "scripted 1"},
        picture=(0, contender),
    )


def picture(colour: str) -> str:
    """A picture of one colour as a data URL."""
    file = io.BytesIO()
    Image.new("RGB", (480, 360), colour).save(file, "WEBP")
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
