"""Text patterns of the benchmark: image markers, and titles inside instructions."""

import re
from functools import lru_cache

# Wikipedia tells articles of one name apart by a word in brackets, which instructions leave out.
_DISAMBIGUATION = re.compile(r"\s*\([^()]*\)$")


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compiles a pattern once.

    Raises:
        ValueError: It is no regular expression.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error


def names_title(instruction: str, title: str) -> bool:
    """Says whether an instruction names a title: as whole words, upper and lower case apart.

    A bracketed word at the title's end, as in ``The Kiss (Klimt)``, may be left out.
    """
    return any(
        re.search(rf"(?<!\w){re.escape(form)}(?!\w)", instruction) is not None
        for form in {title, _DISAMBIGUATION.sub("", title)}
        if form
    )
