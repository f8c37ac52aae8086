"""A report as Markdown and LaTeX: what they say, and that no name breaks them."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.sweep.report.tables.latex import MOST_LINES, latex_text, leaderboard_latex
from services.sweep.report.tables.markdown import (
    MOST_PAIRS,
    leaderboard_markdown,
    markdown_signatures,
    markdown_text,
)
from tests.unit.sweep.report.sample_report import (
    HOSTILE_TO_HTML,
    HOSTILE_TO_LATEX,
    bare_report,
    crowded_report,
    sample_report,
)

# Letters of every kind but lone surrogates, which no file can hold.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def parse(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(markdown)


def plain(inline: Token) -> str:
    """The text of a line of Markdown in which nothing is markup but emphasis."""
    children = inline.children or []
    kinds = {"text", "text_special", "strong_open", "strong_close", "code_inline"}
    assert {child.type for child in children} <= kinds
    return "".join(child.content for child in children)


def tables(markdown: str) -> list[list[list[str]]]:
    """The cells of each table, as they are shown."""
    found: list[list[list[str]]] = []
    for before, token in zip([None, *parse(markdown)], parse(markdown), strict=False):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif (
            token.type == "inline" and before is not None and before.type in {"th_open", "td_open"}
        ):
            found[-1][-1].append(plain(token))
    return found


def test_markdown_has_the_leaderboard_with_intervals_and_marks() -> None:
    text = leaderboard_markdown(sample_report())
    leaderboard = tables(text)[0]
    assert leaderboard[0][:7] == ["model", "title", "part", "n", "uns", "fail", "cut"]
    assert leaderboard[0][7:] == ["BLEU", "R-L", "EF1", "EC exact", "ECooc 0", "ECooc 2", "len"]
    assert len(leaderboard) == 1 + 3 * 2 * 3
    rows = {tuple(row[:3]): row for row in leaderboard}
    first = rows[HOSTILE_TO_LATEX, "with", "all"]
    second = rows[HOSTILE_TO_HTML, "with", "all"]
    assert first[3:7] == ["192", "20", "2", "10"]
    # 0.0112 against 0.011, not significant; EF1 0.18 against 0.26, significant.
    assert (first[7], second[7]) == ("1.12† [0.92, 1.32]", "1.10 [0.90, 1.30]")
    assert (first[9], second[9]) == ("18.00 [15.00, 21.00]", "26.00 [23.00, 29.00]")
    assert "| **26.00** " in text
    assert first[12] == "–"  # noqa: RUF001 - nothing is scorable
    assert first[13] == "92.0 [88.0, 96.0]"


def test_markdown_sets_published_rows_apart_with_source_and_sample() -> None:
    text = leaderboard_markdown(sample_report())
    published = tables(text)[2]
    assert published[0] == ["model", "title", "BLEU", "EF1", "len", "BERT score"]
    assert published[1] == ["Published & <model>", "with", "1.18", "16.93", "91.3", "83.62"]
    assert "Not computed here: A paper, Table 1; 1,199 test questions, a 25 % sample." in text


def test_markdown_shows_values_from_summed_statistics_where_there_are_any() -> None:
    text = leaderboard_markdown(sample_report())
    micro = tables(text)[1]
    assert micro[0] == [
        "model",
        "title",
        "part",
        "BLEU",
        "R-L",
        "EF1",
        "EC exact",
        "ECooc 0",
        "ECooc 2",
    ]
    rows = {tuple(row[:3]): row for row in micro}
    # Half the macro means, which are 0.0112, 0.156 and 0.18.
    assert rows[HOSTILE_TO_LATEX, "with", "all"][3:6] == ["0.56", "7.80", "9.00"]
    assert "- `ef1|case:mixed|rules:expart-1|mean:micro`" in text
    assert "mean:micro" not in leaderboard_markdown(bare_report())


def test_markdown_shows_differences_and_gaps_with_stars_where_they_are_significant() -> None:
    _, _, _, differences, gaps = tables(leaderboard_markdown(sample_report()))
    assert differences[1][:4] == [HOSTILE_TO_LATEX, HOSTILE_TO_HTML, "with", "100"]
    assert differences[1][6] == "-8.00* [-9.00, -7.00]"  # EF1
    assert differences[2][6].startswith("-3.20 [")  # without title: 6.8 - 10, p 0.4
    title = gaps[1]
    assert title[:4] == ["With minus Without Title", HOSTILE_TO_LATEX, "–", "100"]  # noqa: RUF001
    assert title[6] == "+11.20* [9.20, 13.20]"
    kinds = [row[0] for row in gaps[1:]]
    assert kinds == sorted(kinds, key=kinds.index)  # each kind in one run
    assert set(kinds) == {
        "With minus Without Title",
        "seen minus unseen",
        "own minus wrong picture",
    }


def test_markdown_lists_the_signatures_and_what_went_wrong() -> None:
    text = leaderboard_markdown(sample_report())
    for metric in sample_report().metrics:
        assert f"- `{metric}|case:mixed|rules:expart-1|replicates:2-averaged-first`" in text
    shown = "\n".join(plain(token) for token in parse(text) if token.type == "inline")
    assert "Shards that have not begun: 00003-of-00004." in shown
    assert "DEADLINE_EXCEEDED 9, IMAGE_MISSING 3" in shown
    # Three contenders in two settings, six answers pending in each.
    assert "Answers without a result yet: 36" in shown
    assert "Each question is asked 2 times" in shown
    assert "10,000 resamples of 50 artworks, seed 7" in shown


def test_markdown_of_a_bare_report_has_the_leaderboard_alone() -> None:
    (leaderboard,) = tables(leaderboard_markdown(bare_report()))
    assert [row[7] for row in leaderboard] == ["EF1", "50.00", "50.00"]


def test_many_pairs_are_left_to_the_csv() -> None:
    # 7 contenders have 21 pairs, 6 have 15; the crowded report compares seen artworks first.
    def differences(contenders: int) -> str:
        report = crowded_report(contenders)
        comparisons = tuple(replace(one, part="all") for one in report.comparisons)
        return leaderboard_markdown(replace(report, comparisons=comparisons))

    assert MOST_PAIRS == 15
    assert "## Differences between models" in differences(6)
    assert "## Differences between models" not in differences(7)
    assert "The differences of 21 pairs of models are in comparisons.csv." in differences(7)


@given(ANY_TEXT)
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    expected = " ".join(text.split())
    row = f"| a |\n| :-- |\n| x{markdown_text(text)}x |"
    # NUL is the one character that Markdown cannot show.
    assert tables(row)[0][1] == [f"x{expected}x".replace("\0", "\ufffd")]


@given(ANY_TEXT.filter(lambda text: text.strip() != ""))
def test_signatures_are_code_whatever_they_hold(text: str) -> None:
    (inline,) = [t for t in parse(markdown_signatures([text])) if t.type == "inline"]
    (code,) = inline.children or []
    assert code.type == "code_inline"
    assert code.content.strip() == " ".join(text.split()).replace("\0", "\ufffd").strip()


def latex_lines(text: str, start: str = r"\toprule", end: str = r"\bottomrule") -> list[str]:
    return text.split(start)[1].split(end, maxsplit=1)[0].strip().splitlines()


def test_latex_prints_models_by_settings_over_all_artworks_first() -> None:
    text = leaderboard_latex(sample_report())
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert labels == ["tab:leaderboard-all", "tab:leaderboard-seen", "tab:leaderboard-unseen"]
    lines = latex_lines(text)
    assert lines[:2] == [
        r"model & $n$ & BLEU & R-L & EF1 & EC & ECooc & ECooc & len \\",
        r" &  &  &  &  & exact & 0 & 2 &  \\",
    ]
    assert lines[2:4] == [r"\midrule", r"\multicolumn{9}{l}{\emph{With Title}} \\"]
    assert lines[4] == (
        r"a\_b\%\$\#\textbackslash{} & 192 & \textbf{1.12}\rlap{$^\dagger$} & \textbf{15.60}"
        r"\rlap{$^\dagger$} & 18.00 & \textbf{16.00}\rlap{$^\dagger$} & 1.60 & -- & 92.0 \\"
    )
    assert lines[5] == (
        r" &  & {\tiny $\pm$0.20} & {\tiny $\pm$1.00} & {\tiny $\pm$3.00} & {\tiny $\pm$2.00} & "
        r"{\tiny $\pm$0.50} &  & {\tiny $\pm$4.0} \\"
    )
    assert lines[6].startswith(r'\textless{}b\textgreater{}\&"x & 192 & 1.10 & 14.00 & \textbf{26')


def test_latex_sets_published_rows_apart_in_the_table_over_all_artworks() -> None:
    text = leaderboard_latex(sample_report())
    assert text.count(r"\emph{With Title, published}") == 1
    assert r"Published \& \textless{}model\textgreater{} &  & 1.18 & -- & 16.93 &" in text
    assert text.count(r"Not computed here: A paper, Table 1; 1,199 test questions, a 25 \%") == 1


def test_latex_has_signatures_under_every_table() -> None:
    text = leaderboard_latex(sample_report())
    signature = (
        r"\texttt{ef1\textbar{}\allowbreak{}case:mixed\textbar{}\allowbreak{}rules:expart-1"
        r"\textbar{}\allowbreak{}replicates:2-averaged-first}\par"
    )
    assert text.count(signature) == text.count(r"\begin{table*}") == 3


@pytest.mark.parametrize(
    ("contenders", "tables"),
    [
        (1, 3),
        (MOST_LINES // 2, 3),  # both settings of a part still fit into one table
        (MOST_LINES // 2 + 1, 3 * 2),
        (MOST_LINES, 3 * 2),
        (MOST_LINES + 1, 3 * 2 * 2),
    ],
)
def test_latex_tables_are_well_formed_and_not_too_long(contenders: int, tables: int) -> None:
    text = leaderboard_latex(crowded_report(contenders))
    assert text.count(r"\begin{table*}") == tables
    assert len(set(re.findall(r"\\label\{.*?\}", text))) == tables
    # Each contender stands in both settings of each part of the test once.
    for number in range(contenders):
        assert text.count(f"\nmodel-{number} &") == 3 * 2
    assert all(table.count("\nmodel-") <= MOST_LINES for table in text.split(r"\end{table*}"))
    check_latex(text)


def test_latex_of_hostile_and_bare_reports_is_well_formed() -> None:
    check_latex(leaderboard_latex(sample_report()))
    check_latex(leaderboard_latex(bare_report()))


def check_latex(text: str) -> None:
    """Environments and braces are closed in order, and rows have as many cells as columns."""
    assert text.isascii()
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(.*?)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert balanced(text)
    for table in text.split(r"\begin{tabular}")[1:]:
        columns = re.match(r"\{(\w+)\}", table)
        assert columns is not None
        for line in latex_lines(table):
            if line == r"\midrule":
                continue
            assert line.endswith(r" \\")
            cells = len(re.findall(r"(?<!\\)&", line)) + 1
            spanned = re.match(r"\\multicolumn\{(\d+)\}", line)
            assert (int(spanned[1]) if spanned else cells) == len(columns[1])


def balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text.replace(r"\\", "")):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("50 % of $5 & #1", r"50 \% of \$5 \& \#1"),
        ("\\{x}^~", r"\textbackslash{}\{x\}\textasciicircum{}\textasciitilde{}"),
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        ("[x]*", "{[}x{]}{*}"),
        ("a--b ''c'' ?`", "a-{}-b '{}'c'{}' ?{}`"),
        ("é Ł ∞ †", r"\'{e} {[}U+0141{]} $\infty$ \textdagger{}"),
        ("e\u0301", r"\'{e}"),
        ("two\nlines\t here", "two lines here"),
        ("黑", "{[}U+9ED1{]}"),
    ],
)
def test_latex_text_is_escaped(text: str, expected: str) -> None:
    assert latex_text(text) == expected


@given(ANY_TEXT)
def test_latex_text_of_anything_is_one_plain_line(text: str) -> None:
    escaped = latex_text(text)
    assert escaped.isascii()
    assert escaped.isprintable()
    assert balanced(escaped)
    # What steers LaTeX is there only in our own commands.
    bare = re.sub(r"\\[A-Za-z]+|\\[^A-Za-z]|\$\\\w+\$", "", escaped)
    assert not re.search(r"[$&#_%~^\\]", bare)
