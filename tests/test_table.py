"""Tables: golden texts, escaping of hostile names, and what is said below a table."""

import csv
import html
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from medbench.report.table import table, terminal
from medbench.results import Results, Score, one_line

LANGUAGES = ("english", "chinese", "japanese", "french", "russian", "spanish")
HOSTILE = st.text(
    st.sampled_from("|<>&_%$#{}\\^~*`[]\"'\n\r\t\x00\u2028 aé中-=@"), max_size=20
).map(lambda text: f"a{text}z")


def score(model: str, task: str, value: float, **changes: Any) -> Score:
    benchmark, _, subset = task.partition("_")
    base = Score(model, task, "acc", "none", value, n=12, num_fewshot=0, version="1",
                 benchmark=benchmark.partition("-")[0], protocol=benchmark.partition("-")[2],
                 subset=subset)  # fmt: skip
    return replace(base, **changes)


def results(*scores: Score) -> Results:
    return Results(scores)


TWO = results(
    score("base", "usmle", 5 / 12),
    score("base", "medmcqa-letters", 4 / 12),
    score("tuned", "usmle", 6 / 12),
)


MARKDOWN = """\
### MMedBench, USMLE, MedMCQA

| model   |   MMedBench · French |                 USMLE |   MedMCQA · letters |
|:--------|---------------------:|----------------------:|--------------------:|
| base    |                    — |     41.7 [19.3, 68.0] |   33.3 [13.8, 60.9] |
| tuned   |     25.0 [4.6, 69.9] | **50.0** [25.4, 74.6] |                   — |

- In %, 95 % Wilson intervals; bold: best of its column; —: not run.
- n: MMedBench · French 4, USMLE 12, MedMCQA · letters 12.
- 0-shot, chat template off.
"""
LATEX = r"""% \usepackage{booktabs,graphicx}

\begin{table}
\centering
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{lrr}
\toprule
 model & USMLE & MedMCQA \textperiodcentered{} letters \\
\midrule
 {}base & 41.7 [19.3, 68.0] & 33.3 [13.8, 60.9] \\
 {}tuned & \textbf{50.0} [25.4, 74.6] & --- \\
\bottomrule
\end{tabular}}
\caption{USMLE, MedMCQA. In \%, 95 \% Wilson intervals; bold: best of its column; ---: not run. n = 12. 0-shot, chat template off.}
\end{table}
"""  # noqa: E501


def test_markdown_is_golden() -> None:
    assert table(
        results(*TWO.scores, score("tuned", "mmedbench_french", 0.25, n=4)), "markdown"
    ) == (MARKDOWN)


def test_latex_is_golden() -> None:
    assert re.sub(" +", " ", table(TWO, "latex")) == LATEX


def test_csv_has_a_line_per_cell() -> None:
    cot = score("base", "kormedmcqa-cot_doctor", 0.5, filter="extract", limit=12.0, language="ko")
    marks = [replace(cot, metric=mark, value=0.25) for mark in ("unparsed", "truncated")]
    rows = list(csv.DictReader(io.StringIO(table(results(cot, *marks), "csv"))))
    assert len(rows) == 1
    low, high = (float(rows[0].pop(end)) for end in ("low", "high"))
    assert (low, high) == pytest.approx((0.2538, 0.7462), abs=1e-4)
    assert rows[0] == {
        "model": "base", "benchmark": "kormedmcqa", "protocol": "cot", "subset": "doctor",
        "language": "ko", "task": "kormedmcqa-cot_doctor", "metric": "acc", "filter": "extract",
        "value": "0.5", "n": "12", "unparsed": "0.25", "truncated": "0.25", "num_fewshot": "0",
        "chat_template": "False", "limit": "12.0", "version": "1", "source": "",
    }  # fmt: skip


def test_the_terminal_fits_its_width() -> None:
    languages = [score("base", f"mmedbench_{name}", 0.5) for name in LANGUAGES]
    for width in (60, 80, 160):
        text = io.StringIO()
        terminal(results(*languages), Console(file=text, width=width))
        assert max(map(len, text.getvalue().splitlines())) <= width
        assert text.getvalue().count("Spanish") == 1
        assert text.getvalue().count("0-shot, chat template off.") == 1


def test_terminal_markup_in_names_is_text() -> None:
    text = io.StringIO()
    noted = Results((score("[red]evil[/red]", "usmle", 0.5),), ("[bold]note",))
    terminal(noted, Console(file=text, width=80))
    assert "[red]evil[/red]" in text.getvalue()
    assert "note: [bold]note" in text.getvalue()


def columns(text: str) -> list[list[str]]:
    """Return the header of each table."""
    heads = [line for line in text.splitlines() if line.startswith("| model")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in heads]


def headings(text: str) -> list[str]:
    return re.findall(r"^### (.*)$", text, re.MULTILINE)


def test_wide_boards_get_a_table_for_each_benchmark_and_rule() -> None:
    scores = [score("base", f"mmedbench_{name}", 0.5) for name in LANGUAGES]
    for name in ("doctor", "nurse", "pharm", "dentist"):
        for rule in ("extract", "original"):
            scores.append(score("base", f"kormedmcqa-cot_{name}", 0.5, filter=rule))
    text = table(results(*scores), "markdown")
    ours = "KorMedMCQA · chain of thought"
    assert headings(text) == ["MMedBench", ours, f"{ours} · original rule"]
    assert columns(text)[0] == ["model", *map(str.capitalize, LANGUAGES), "Avg"]


def test_a_panel_with_too_many_columns_is_cut_evenly() -> None:
    scores = [score("base", f"x{place}", 0.5, benchmark=f"x{place:02}") for place in range(12)]
    text = table(results(*scores), "markdown")
    assert headings(text) == ["Other tasks"] * 2
    assert [len(header) for header in columns(text)] == [7, 7]
    assert text.count("0-shot") == 1


def test_ties_are_all_best_and_a_single_model_is_not() -> None:
    tie = results(*(score(name, "usmle", 0.5) for name in "abc"), score("d", "usmle", 0.25))
    assert table(tie, "markdown").count("**50.0**") == 3
    assert "**" not in table(results(score("a", "usmle", 0.5)), "markdown")


def test_lower_is_better_where_lm_eval_says_so() -> None:
    wiki = [score(name, "wikitext", value, metric="word_perplexity", higher_is_better=False, n=60)
            for name, value in (("a", 12.345678), ("b", 20.5))]  # fmt: skip
    text = table(results(*wiki), "markdown")
    assert "**12.35**" in text
    assert "20.5 " in text
    assert "Not in %" in text


def test_there_is_no_best_among_different_questions() -> None:
    part = score("part", "usmle", 0.9, n=20, limit=20.0)
    text = table(results(score("full", "usmle", 0.5, n=1273), part), "markdown")
    assert "**" not in text
    assert "- No best where models answered different items or task versions." in text
    assert "- n = 20 to 1,273." in text
    assert "- 0-shot, chat template off: full." in text
    assert "- 0-shot, chat template off, first 20 items: part." in text


def test_settings_are_told_by_column_or_by_model() -> None:
    by_column = [score(model, task, 0.5, num_fewshot=shots) for model in "ab"
                 for task, shots in (("usmle", 0), ("medmcqa-letters", 5))]  # fmt: skip
    text = table(results(*by_column), "markdown")
    assert "- 0-shot, chat template off: USMLE." in text
    assert "- 5-shot, chat template off: MedMCQA · letters." in text
    mixed = [*by_column, score("c", "usmle", 0.5, num_fewshot=5, version="2", limit=0.1)]
    text = table(results(*mixed), "markdown")
    assert "0-shot, chat template off, task version 1: a (USMLE); b (USMLE)." in text
    assert "5-shot, chat template off, first 10 % of items, task version 2: c." in text


def test_unread_answers_get_a_dagger() -> None:
    cot = score("base", "usmle-cot", 0.5, filter="extract", n=100)
    shares = {"unparsed": 0.125, "truncated": 0.05}
    marks = [replace(cot, metric=name, value=value) for name, value in shares.items()]
    text = table(results(cot, *marks), "markdown")
    assert "50.0 [40.4, 59.6]†" in text
    assert "- † base: USMLE · chain of thought 12.5 % unparsed." in text
    assert "†" not in table(results(cot, replace(marks[0], value=0.05)), "markdown")


def test_unparsed_is_a_filters_own_and_truncated_is_the_outputs() -> None:
    own = score("base", "usmle-cot", 0.5, filter="extract")
    original = replace(own, filter="original", value=0.25)
    unparsed = replace(own, metric="unparsed", value=0.2)
    truncated = replace(own, metric="truncated", value=0.3)
    rows = csv.DictReader(io.StringIO(table(results(own, original, unparsed, truncated), "csv")))
    assert {row["filter"]: (row["unparsed"], row["truncated"]) for row in rows} == {
        "extract": ("0.2", "0.3"),
        "original": ("", "0.3"),
    }


@pytest.mark.parametrize(
    ("prefix", "sizes", "share"),
    [
        ("kormedmcqa-cot", {"doctor": 435, "nurse": 878, "pharm": 885, "dentist": 811}, 174 / 3009),
        ("mmedbench-paper", dict.fromkeys(LANGUAGES, 900) | {"english": 15}, 0.4 / 6),
    ],
)
def test_marks_of_a_mean_weigh_what_its_value_does(
    prefix: str, sizes: dict[str, int], share: float
) -> None:
    scores = []
    for number, (name, n) in enumerate(sizes.items()):
        own = score("base", f"{prefix}_{name}", 0.5, filter="extract", n=n)
        scores += [own, replace(own, metric="unparsed", value=0.0 if number else 0.4)]
    *_, mean = csv.DictReader(io.StringIO(table(results(*scores), "csv")))
    assert (mean["subset"], int(mean["n"])) == ("Avg", sum(sizes.values()))
    assert float(mean["unparsed"]) == pytest.approx(share)


@settings(deadline=None)
@given(HOSTILE)
def test_no_name_breaks_csv(name: str) -> None:
    rows = list(csv.reader(io.StringIO(table(results(score(name, "usmle", 0.5)), "csv"))))
    assert len(rows) == 2
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[1][0] == one_line(name)


@settings(deadline=None)
@given(HOSTILE)
def test_no_name_breaks_markdown(name: str) -> None:
    text = table(results(score(name, "usmle", 0.5)), "markdown")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 3
    bars = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}
    assert bars == {3}
    cell = lines[2].split(" 50.0")[0]
    assert not re.search(r"<|&(?!amp;|lt;|gt;)", cell)
    plain = re.sub(r"\\([\\`*\[\]|~$_])", r"\1", cell[2:].rsplit("|", 1)[0].strip())
    assert html.unescape(plain) == one_line(name)


@settings(deadline=None)
@given(HOSTILE)
def test_no_name_breaks_latex(name: str) -> None:
    text = table(
        results(score(name, "usmle", 0.5), score("other", "usmle", 0.75, limit=3.0)), "latex"
    )
    row = next(line for line in text.splitlines() if line.startswith(" {}a"))
    bare = re.sub(r"\\(?:textbackslash|textasciitilde|\^)\{\}|\\ensuremath\{[<>]\}", "", row[3:])
    bare = re.sub(r"\\[&%$#_{}]", "", bare)
    assert bare.count("&") == 1  # between the two columns
    assert bare.endswith(r"\\")
    assert not re.search(r"[%$#_^~{}\\]", bare[:-2])
    caption = re.sub(r"\\[&%$#_{}]", "", text.split("\\caption")[1].split("\n")[0])
    assert caption.count("{") == caption.count("}")


def test_a_name_that_looks_like_an_argument_is_guarded_in_latex() -> None:
    assert " {}[1em] " in table(results(score("[1em]", "usmle", 0.5)), "latex")


def test_hostile_columns_are_escaped_too() -> None:
    task = score("base", "a_b|<b>", 0.5, benchmark="a_b|<b>", subset="")
    assert r"a_b\|&lt;b&gt;" in table(results(task), "markdown")
    assert r"a\_b|\ensuremath{<}b\ensuremath{>}" in table(results(task), "latex")
