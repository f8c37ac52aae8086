"""Writes rank_correlations.json: Spearman's coefficients as SciPy computes them.

``uv run --no-project --with scipy==1.16.3 python tests/golden/make_rank_correlations.py``; SciPy is
no dependency of the project.
"""

import json
import random
from pathlib import Path

import scipy
from scipy.stats import spearmanr


def main() -> None:
    rng = random.Random(20260301)
    plain = [[rng.gauss(0, 1) for _ in range(40)] for _ in range(3)]
    plain.append([value + rng.gauss(0, 0.5) for value in plain[0]])
    # As metrics are: shares of few entities, many of them 0, and counts.
    tied = [[round(rng.random() ** 3 * 6) / 6 for _ in range(60)] for _ in range(3)]
    tied.append([float(rng.randrange(5, 25)) for _ in range(60)])
    tied.append([share + count / 25 for share, count in zip(tied[0], tied[3], strict=True)])
    cases = {"without ties": plain, "many ties": tied, "two values": [[0, 0, 1, 1], [0, 1, 1, 1]]}
    golden = {
        "source": f"scipy.stats.spearmanr of SciPy {scipy.__version__}",
        "cases": [
            {
                "name": name,
                "columns": columns,
                "spearmanr": [
                    [float(spearmanr(first, second).statistic) for second in columns]
                    for first in columns
                ],
            }
            for name, columns in cases.items()
        ],
    }
    path = Path(__file__).with_name("rank_correlations.json")
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
