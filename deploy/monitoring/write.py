"""Writes dashboards and rules into the chart. Run as ``python -m deploy.monitoring.write``."""

import argparse
import sys
from pathlib import Path

import yaml

from deploy.monitoring.dashboard import Dashboard
from deploy.monitoring.fleet_dashboard import FLEET
from deploy.monitoring.generation_dashboard import GENERATION
from deploy.monitoring.render import as_json
from deploy.monitoring.rule import RuleGroup
from deploy.monitoring.scoring_dashboard import SCORING
from deploy.monitoring.series import RULE_FILES
from deploy.monitoring.sweep_dashboard import SWEEP

CHART = Path(__file__).resolve().parents[2] / "helm" / "expart-serving"
DASHBOARDS: tuple[Dashboard, ...] = (SWEEP, GENERATION, SCORING, FLEET)
_NOTE = "# Written by `make dashboards` from deploy/monitoring, which is what to change.\n"


def files() -> dict[Path, str]:
    """Makes the text of every file that is generated."""
    made = {
        CHART / "dashboards" / f"{dashboard.uid}.json": as_json(dashboard)
        for dashboard in DASHBOARDS
    }
    made |= {
        CHART / "rules" / f"{name}.yaml": _rules(groups) for name, groups in RULE_FILES.items()
    }
    return made


def _rules(groups: tuple[RuleGroup, ...]) -> str:
    data = {"groups": [group.as_data() for group in groups]}
    return _NOTE + str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))


def main(arguments: list[str]) -> int:
    """Writes the files, or with ``--check`` says which differ; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.monitoring.write", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    only_check = parser.parse_args(arguments).check
    differing = {
        path: text
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in differing.items():
        if only_check:
            print(f"{path.relative_to(CHART.parents[1])} is out of date: run make dashboards")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(only_check and bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
