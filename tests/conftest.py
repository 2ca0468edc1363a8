"""What tests share: the packaged sample as the source of rows, tiny models, a Hub, a browser."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
ENVIRONMENT = {**OFFLINE, "MEDBENCH_DATA": "sample", "MEDBENCH_BERTSCORE": "off"}
# The Hub client and torch read theirs when they are imported; tiny matrices gain by one thread.
os.environ.update({**ENVIRONMENT, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"})

SENTENCES = [
    "Question: Which of the following drugs lowers the blood pressure? The answer is (B) aspirin.",
    "问题：下列哪种药物可以降低血压？答案：阿司匹林，患者，治疗，诊断。",
    "問題：次のうち血圧を下げる薬はどれか。答え：患者の治療と診断である。",
    "Question : Quel médicament réduit la tension artérielle ? Réponse : l'aspirine, à dose fixe.",
    "Вопрос: какой препарат снижает артериальное давление? Ответ: аспирин, лечение, диагноз.",
    "Pregunta: ¿Qué fármaco reduce la presión arterial? Respuesta: la aspirina, según el paciente.",
    "혈압을 낮추는 약물은? 환자의 치료와 진단은 다음과 같다. 따라서, 정답은 (B) 입니다. 정답：",
]
SPECIAL = ["<unk>", "<s>", "</s>", "<|turn|>", "<|end|>"]
TURNS = (
    "{% for message in messages %}<|turn|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% endfor %}"
)
TEMPLATES = {
    "system": TURNS,
    "no system": NO_SYSTEM + TURNS,  # as Gemma's
    "bos": "{{ bos_token }}" + TURNS,  # the tokenizer adds one too
}


@pytest.fixture(autouse=True)
def sample_data(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read the packaged rows, whatever the developer's own environment says."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield
    if os.environ.get("MEDBENCH_DATA") != "sample":
        from medbench.data.load import cached

        cached.cache_clear()


def make_tokenizer(template: str | None) -> Any:
    """Train a byte-level BPE that puts BOS in front of every text, as Llama's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", SPECIAL.index("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL[3:],
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


@pytest.fixture(scope="session", params=sorted(TEMPLATES))
def chat_tokenizer(request: pytest.FixtureRequest) -> Any:
    """The tokenizer with one chat template after the other."""
    return make_tokenizer(TEMPLATES[request.param])


@pytest.fixture(scope="session")
def no_system_tokenizer() -> Any:
    """The tokenizer whose chat template refuses a system role, as Gemma's does."""
    return make_tokenizer(TEMPLATES["no system"])


def save_model(folder: Path, **sizes: int) -> Path:
    """Save a random Llama and the chat tokenizer; its weights are large, so its choices clear."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(TEMPLATES["system"])
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        initializer_range=0.4,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        **sizes,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers: a folder of safetensors with tokenizer and chat template."""
    return save_model(
        tmp_path_factory.mktemp("models") / "tiny", hidden_size=32, intermediate_size=64
    )


@pytest.fixture(scope="session")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with layers wide enough for 4-bit blocks."""
    return save_model(
        tmp_path_factory.mktemp("models") / "wide", hidden_size=128, intermediate_size=256
    )


@pytest.fixture
def narrow_model(tiny_model: Path, tmp_path: Path) -> Callable[[int], Path]:
    """The tiny model, made to read only so many tokens at once."""

    def made(context: int) -> Path:
        folder = Path(shutil.copytree(tiny_model, tmp_path / "narrow"))
        config = folder / "config.json"
        settings = json.loads(config.read_text("utf-8")) | {"max_position_embeddings": context}
        config.write_text(json.dumps(settings), "utf-8")
        return folder

    return made


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                      "--no-first-run", "--disable-background-networking",
                      "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; tests are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def hub() -> Iterator[Any]:
    """A Hub on the loopback that takes uploads; empty."""
    from tests.writable_hub import WritableHub

    with WritableHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`medbench` in a process of its own, signed in there; its token may be in no log."""
    from tests.publications import Client
    from tests.writable_hub import TOKEN

    with Client(hub, tmp_path_factory.mktemp("home")) as client:
        yield client
    assert TOKEN not in client.log.read_text()


@pytest.fixture(scope="module")
def board_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board's page, with the runs that it was made of."""
    from tests.board_pages import write_board, write_page

    folder = tmp_path_factory.mktemp("board")
    return write_page(write_board(folder / "runs"), folder / "out")


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Open files; in the end, nothing may have been asked for, complained of, or popped up."""
    contexts: list[Any] = []
    heard: list[str] = []

    def opened(file: Path, **settings: Any) -> Any:
        size = {"width": 1280, "height": 900}
        contexts.append(browser.new_context(**{"viewport": size} | settings))
        page = contexts[-1].new_page()
        page.on("request", lambda request: heard.append(f"request {request.url}"))
        page.on("console", lambda message: heard.append(f"console {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error {error}"))
        page.on("dialog", lambda dialog: (heard.append("dialog"), dialog.dismiss()))
        page.goto(file.as_uri())
        heard.remove(f"request {file.as_uri()}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in heard if one != "request data:,"] == []
