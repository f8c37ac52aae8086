"""The spec's section of scoring options as what scores by them takes, and back."""

from services.metrics.options import ScoringOptions
from services.sweep.spec.sections import ScoringSection


def options_of(section: ScoringSection) -> ScoringOptions:
    """What the section chooses."""
    return ScoringOptions(**section.model_dump())


def section_of(options: ScoringOptions) -> ScoringSection:
    """The section that chooses these; what it has no key for is left out."""
    chosen = {name: getattr(options, name).value for name in ScoringSection.model_fields}
    return ScoringSection.model_validate(chosen)
