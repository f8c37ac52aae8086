"""Every template has a test file of its own."""

from pathlib import Path

from tests.helm.chart import CHART

HERE = Path(__file__).parent


def test_every_template_has_a_test_file_and_every_test_file_its_template() -> None:
    templates = CHART / "templates"
    wanted = {
        "_".join([*file.relative_to(templates).parent.parts, file.stem]).replace("-", "_")
        for file in templates.rglob("*.yaml")
    }
    own = Path(__file__).name
    there = {file.stem.removeprefix("test_") for file in HERE.glob("test_*.py") if file.name != own}
    assert there == wanted
