"""Turns arbitrary bytes into scoring inputs, so that a fuzzer's every byte means something."""

from dataclasses import dataclass

from services.metrics import ScoringOptions
from services.metrics.options import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsRule,
    PartialMatchRule,
    TokenizerRule,
)

# What texts are made of: each piece has broken some tokenizer, matcher or regex somewhere.
PIECES = (
    *(" ", " ", " ", "\n", "\t", "\r\n", "\u2028", "\u00a0", "\u3000", "\x00", "\x1c", "\x85"),
    *(".", ". ", "...", "…", ",", ", ", ";", ":", "!", "?", "?!", "-", "--", "—", "–", "-\n"),
    *("'", "''", "'s", "n't", "'tis", "d'ye", '"', "`", "``", "“", "”", "‘", "’", "«", "»", "„"),
    *("(", ")", "[", "]", "{", "}", "<", ">", "<skipped>", "&amp;", "&quot;", "&lt;", "@", "#"),
    *("$", "%", "*", "**", "+", "\\", "\\d", "|", "^", "(?", "[a-", ".*", "(a+)+$", "\\p{L}", "/"),
    *("the", "The", "a", "of", "in", "Paris", "Louvre", "louvre", "LOUVRE", "Piet Mondrian"),
    *(
        "Leonardo",
        "Leonardo da Vinci",
        "da Vinci",
        "Mona Lisa",
        "St.",
        "Dr.",
        "D.C.",
        "U.S.",
        "No.",
    ),
    *("e.g.", "J.", "cannot", "gonna", "gimme", "more'n", "won't", "1", "1,000", "3.14", "1.", "№"),
    *("café", "cafe\u0301", "\u0301", "\u00ad", "\u200b", "\u200d", "\ufeff", "\u202e", "\ufe0f"),
    *("ß", "ﬁ", "İ", "ı", "Σ", "ς", "Ǆ", "ŉ", "ΐ", "\u1e9e", "Å", "\u212b", "K", "\u1100\u1161"),
    *("蒙娜丽莎", "日本", "モナ・リザ", "。", "、", "가나", "ไทย", "မြန်မာ", "Москва", "ё", "й"),
    *(
        "אבג",
        "العربية",
        "हिन्दी",
        "😀",
        "👩\u200d🎨",
        "🇫🇷",
        "𝔘",
        "𠮷",
        "\ud7ff",
        "\uffff",
        "\U0010ffff",
    ),
    *("_", "a_b", "x" * 70, "ab" * 40, "a.a.a.", "1,1,1", "''''", "    ", "aaa", "aa", "AAAA"),
)

# What entities begin with; few enough to meet again in the texts.
WORDS = (
    "Paris",
    "Louvre",
    "Leonardo",
    "Mona Lisa",
    "a",
    "aa",
    "(",
    ".",
    "Москва",
    "蒙娜丽莎",
    "'s",
    "",
)


class Bytes:
    """Takes choices from bytes, one after another; zeros once they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, limit: int) -> int:
        value = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return value % limit

    def text(self, longest: int) -> str:
        return "".join(PIECES[self.below(len(PIECES))] for _ in range(self.below(longest + 1)))

    def entities(self, most: int) -> list[str]:
        """Texts of few pieces, of which about one in twenty is blank."""
        return [
            f"{WORDS[self.below(len(WORDS))]}{self.text(3)}" for _ in range(self.below(most + 1))
        ]


@dataclass(frozen=True, slots=True)
class FuzzedItem:
    """What a caller may send, good or bad."""

    candidate: str
    reference: str
    entities: list[str]
    candidate_entities: list[str]
    options: ScoringOptions


def fuzzed_item(data: bytes) -> FuzzedItem:
    """Decodes an item; every byte string gives one, and short ones give small ones."""
    source = Bytes(data)
    options = ScoringOptions(
        case=list(CaseRule)[source.below(2)],
        boundary=list(BoundaryRule)[source.below(2)],
        tokenizer=list(TokenizerRule)[source.below(3)],
        partial_match=list(PartialMatchRule)[source.below(2)],
        no_pairs=list(NoPairsRule)[source.below(2)],
        generated_entities=list(GeneratedEntitiesRule)[source.below(2)],
    )
    entities = source.entities(5)
    given = options.generated_entities is GeneratedEntitiesRule.GIVEN
    return FuzzedItem(
        reference=("", "A ")[source.below(8) > 0] + source.text(40),
        candidate=source.text(40),
        entities=entities,
        candidate_entities=[*entities[:2], *source.entities(3)] if given else [],
        options=options,
    )
