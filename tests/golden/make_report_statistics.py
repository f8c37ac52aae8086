"""Writes ``report_statistics.json``: what SciPy and statsmodels make of a few samples.

Neither is a dependency of the project. Run it in an environment of its own:

    uv run --no-project --python 3.11 --with scipy==1.17.1 --with statsmodels==0.15.0 \
        python tests/golden/make_report_statistics.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.stats
import statsmodels
from statsmodels.stats.multitest import multipletests

TARGET = Path(__file__).with_name("report_statistics.json")
RESAMPLES = 200_000

FAMILIES = (
    [0.04],
    [0.01, 0.04, 0.03, 0.005],
    [0.05, 0.05, 0.05],
    [1.0, 0.0, 0.5, 0.5],
    [0.9, 0.8, 0.7],
    [0.0001, 0.0002, 0.2, 0.2, 0.011, 0.5, 0.9999, 0.013, 0.0127, 0.033],
    [1e-300, 1e-12, 0.02, 0.020000001],
)


def main() -> None:
    """Writes the file."""
    random = np.random.default_rng(2026)
    document = {
        "source": f"scipy {scipy.__version__}, statsmodels {statsmodels.__version__}",
        "made_by": Path(__file__).name,
        "holm": [{"p": p, "corrected": holm(p)} for p in FAMILIES],
        "sign_test": [sign_test(totals) for totals in difference_totals(random)],
        "mean": mean(random),
        "clustered_mean": clustered_mean(random),
        "unpaired": unpaired(random),
    }
    TARGET.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def holm(p_values: list[float]) -> list[float]:
    """Corrects one family."""
    return multipletests(p_values, method="holm")[1].tolist()


def difference_totals(random: np.random.Generator) -> list[list[float]]:
    """Differences of artworks: by chance, with ties, and all on one side."""
    return [
        random.normal(0.3, 1.0, 9).round(3).tolist(),
        random.normal(0.8, 1.0, 12).round(3).tolist(),
        random.integers(-2, 4, 11).astype(float).tolist(),
        (random.integers(-1, 3, 10) / 10).tolist(),
        [0.1, 0.2, 0.3, 0.4],
        [0.5, -0.5],
    ]


def sign_test(totals: list[float]) -> dict[str, object]:
    """Tries all patterns of signs."""
    found = scipy.stats.permutation_test(
        (totals,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    return {"totals": totals, "p": float(found.pvalue)}


def interval(samples: tuple[np.ndarray, ...], statistic: object, **options: object) -> list[float]:
    """The percentile bootstrap's interval."""
    found = scipy.stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        batch=10_000,
        method="percentile",
        rng=np.random.default_rng(7),
        **options,
    )
    return [float(found.confidence_interval.low), float(found.confidence_interval.high)]


def mean(random: np.random.Generator) -> dict[str, object]:
    """A mean of questions about as many artworks."""
    values = random.beta(0.6, 2.0, 45).round(4)
    return {"values": values.tolist(), "interval": interval((values,), np.mean)}


def clustered_mean(random: np.random.Generator) -> dict[str, object]:
    """A mean of questions of which several are about one artwork: a ratio of two sums."""
    counts = random.integers(1, 7, 40)
    artworks = np.repeat(np.arange(40), counts)
    values = (random.random(40)[artworks] + 0.3 * random.random(len(artworks))).round(4)
    totals = np.bincount(artworks, values)

    def ratio(sums: np.ndarray, numbers: np.ndarray, axis: int) -> np.ndarray:
        return sums.sum(axis=axis) / numbers.sum(axis=axis)

    return {
        "artworks": artworks.tolist(),
        "values": values.tolist(),
        "interval": interval((totals, counts.astype(float)), ratio, paired=True, vectorized=True),
    }


def unpaired(random: np.random.Generator) -> dict[str, object]:
    """Two samples of questions about as many artworks, none in both."""
    first, second = random.normal(0.27, 1.0, 70).round(4), random.normal(0.0, 1.0, 55).round(4)

    def difference(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return one.mean(axis=axis) - other.mean(axis=axis)

    permuted = scipy.stats.permutation_test(
        (first, second),
        difference,
        n_resamples=RESAMPLES,
        batch=10_000,
        vectorized=True,
        rng=np.random.default_rng(8),
    )
    return {
        "first": first.tolist(),
        "second": second.tolist(),
        "interval": interval((first, second), difference, vectorized=True),
        "p": float(permuted.pvalue),
    }


if __name__ == "__main__":
    main()
