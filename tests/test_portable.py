"""What is published names no folder of a machine, and says all else as it did."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.utils import sanitize_model_name

from medbench.leaderboard.portable import leaks, portable, sanitized, shortened

HERE = Path("/srv/place")
CACHED = "/home/al/.cache/hub/models--org--m/snapshots/0a1b"
TEMPLATE = (
    "{{- '/think\\n\\n' if x else \"/no_think\" }}{{ a / b }}</s>[INST] {% raw %}x[/INST]\n/three"
)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("/data/models/m", "m"),
        ("/home/John Doe/x, (old)/m", "m"),
        ("/home/al/", "al"),
        ("~/x", "x"),
        ("~al/x/y", "y"),
        ("a=~/b c", "a=b c"),
        ("//home/al/x", "x"),
        ("../../home/al/x", "x"),
        ("runs/../../home/al/x", "x"),
        ("C:\\Users\\al\\x", "x"),
        ("a=C:/Users/al/x,b=1", "a=x,b=1"),
        ("file:///home/al/x", "x"),
        ("file://localhost/home/al/x", "x"),
        ("file:///C:/Users/al/x", "x"),
        ("sqlite:////home/al/x", "sqlite:x"),
        (CACHED, "org/m"),
        (f"pretrained={CACHED},dtype=auto", "pretrained=org/m,dtype=auto"),
        (f"{CACHED}/config.json", "config.json"),
        (f"{CACHED},/home/al/x", "x"),
        ("/srv/place/runs/x", "runs/x"),
        ("--output=/srv/place/runs/x", "--output=runs/x"),
        ("/srv/place/../../home/al/x", "x"),
        ("pretrained=/home/al/x,dtype=float32", "pretrained=x,dtype=float32"),
        ("--output=/home/al/a, (b)/x", "--output=x"),
        ("a=/home/al/rate=0.1/x", "a=x"),
        ("corpus.sources='[{path: /home/al/s2orc}]'", "corpus.sources='[{path: s2orc}]'"),
        ("[{path: /home/John Doe/x}, {path: '/a/My b/y'}]", "[{path: x}, {path: 'y'}]"),
        ("a=http://localhost:8000/v1/x,b=/home/al/m", "a=http://localhost:8000/v1/x,b=m"),
        ("cannot read /home/al/a.json: gone", "cannot read a.json: gone"),
        ("/home/al/a:/home/al/b", "b"),
    ],
)
def test_a_path_loses_its_folders(text: str, short: str) -> None:
    assert shortened(text, HERE) == short
    assert shortened(short, HERE) == short


@pytest.mark.parametrize(
    "text",
    [
        "org/model", "medcare/smollm2-135m/stage1", "runs/x", "./runs/x", "../x", "..", "~", "/",
        "https://huggingface.co/a/b?c=/d/e", "hf://datasets/a/b", "s3://bucket/a/b",
        "(see http://localhost:8000/v1/completions)", "org/a,org/b", "x/y=z/w",
        "5 mg/dl and/or 3/4 of 12 / 13", "yes/no/maybe", '"yes"/no/maybe', "是/否/可能",
        "the sound /b/ in /p/", "/no_think Is 3/4 more?", "one / two\n/three", "\\d+/\\d+",
        "Answer: A/B/C", "{{question}}\nA: {{a/b}}", TEMPLATE, "def f(x):\n    return x // 2 / 3",
    ],
)  # fmt: skip
def test_what_is_no_path_stays(text: str) -> None:
    document = f'{{"a":   {json.dumps(text)}, "b": [{json.dumps(text)}]}}'.encode()
    assert portable(document, HERE) == document
    assert list(leaks(document)) == []


@pytest.mark.parametrize("cwd", ["/", "/home"])
def test_where_all_folders_are_below(cwd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/al")
    assert shortened("/home/al/x", Path(cwd)) == "x"
    assert shortened("/home/al/runs/x", Path("/home/al")) == "runs/x"


@pytest.mark.parametrize("name", ["org/m", "/home/al/m", CACHED, "m", 'a<b>"c"|d?*[e]:f\\\\g'])
def test_the_name_for_folders_follows_the_name(name: str) -> None:
    assert sanitized(name) == sanitize_model_name(name)
    content = {"model_name": name, "model_name_sanitized": sanitize_model_name(name)}
    short = shortened(content, HERE)
    assert short["model_name_sanitized"] == sanitize_model_name(short["model_name"])
    assert shortened(content | {"model_name_sanitized": None}, HERE)["model_name_sanitized"] is None


def test_keys_are_texts_too() -> None:
    assert shortened({"/home/al/x": 1, "b": 2}, HERE) == {"x": 1, "b": 2}
    assert shortened({"/home/al/x": 1, "/home/bo/x": 2}, HERE) == {"1: x": 1, "2: x": 2}


def test_leaks_are_told_with_what_they_should_say() -> None:
    content = {"a": [{"/home/al/k": "b=/home/al/x"}], "model_name": "m",
               "model_name_sanitized": "__home__al__m", "n": 3}  # fmt: skip
    assert list(leaks(json.dumps(content).encode())) == [
        ("/home/al/k", "k"), ("b=/home/al/x", "b=x"), ("__home__al__m", "m")]  # fmt: skip


SECRETS = st.lists(st.from_regex(r"Q[a-z0-9_.+é名-]{1,8}Z", fullmatch=True), min_size=1, max_size=4)
ROOTS = ("/", "//", "~/", "file:///", "../../", "C:/", "a/../../")
VALUES = ("{}", "k={}", "k={},d=float32",
          "{{path: {}}}", "[{{path: {}}}, {{path: '{}'}}]", 'k="{}"',
          "cannot read: {}", "`{}`")  # fmt: skip
PROSE = ("read {} twice", "cannot read {}: gone", "a\nb {}\nc", "({})", "a;{}", "{}:{}")
PLAIN = st.sampled_from(["org/m", "mg/dl", "https://x.y/a/b", "and/or", "dtype=auto", "x", "3"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    around, roots = draw(st.sampled_from([(VALUES, (*ROOTS, "/home/Al B/")), (PROSE, ROOTS)]))
    root, last = draw(st.sampled_from(roots)), draw(st.sampled_from(["last", "last/"]))
    path = f"{root}{'/'.join(draw(SECRETS))}/{last}"
    return draw(st.sampled_from(around)).format(path, path)


DOCUMENTS = st.recursive(
    texts() | PLAIN | st.integers() | st.none(),
    lambda one: st.lists(one) | st.dictionaries(texts() | PLAIN, one),
)


@given(DOCUMENTS)
def test_no_folder_survives(document: Any) -> None:
    raw = json.dumps(document).encode()
    short = portable(raw, HERE)
    told = json.dumps(json.loads(short), ensure_ascii=False)
    assert "Q" not in told and "Z" not in told and "home" not in told
    assert list(leaks(short)) == []


@given(st.recursive(PLAIN, lambda one: st.lists(one) | st.dictionaries(PLAIN, one)))
def test_a_document_without_paths_is_the_same_bytes(document: Any) -> None:
    raw = json.dumps(document, indent=7).encode()
    assert portable(raw, HERE) == raw


@given(st.text(alphabet="a/ ~.:='\"\\C,{}\nfile"))
def test_once_is_enough(text: str) -> None:
    short = shortened(text, HERE)
    assert shortened(short, HERE) == short
