"""The training pipeline on tiny models. Skipped where torch and tokenizers are not installed."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.wrappers import Segment
from project import ROOT

sys.path.append(str(ROOT / "training"))
torch: Any = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("tokenizers", exc_type=ImportError)
batches: Any = pytest.importorskip("batches")
model: Any = pytest.importorskip("model")
tokenizer: Any = pytest.importorskip("tokenizer")
train: Any = pytest.importorskip("train")
start: Any = pytest.importorskip("start")

SHAPE = model.Shape(n_vocab=320, d_model=16, n_layers=2, n_heads=2, d_ff=32, n_context=512)
PREFIX = (3, 4, 5, 6, 7)


def ids(least: int = 1) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(0, SHAPE.n_vocab - 1), min_size=least, max_size=8).map(tuple)


@st.composite
def group(draw: st.DrawFn) -> list[Any]:
    """Cases that begin alike, some of them with the prefix."""
    context = draw(ids(0)) * draw(st.sampled_from((1, 1, 9)))
    return [
        batches.Example((PREFIX if shared else ()) + context + own, target)
        for shared, own, target in draw(
            st.lists(st.tuples(st.booleans(), ids(), ids()), min_size=1, max_size=4)
        )
    ]


@cache
def encoder() -> Any:
    return tokenizer.Encoder(
        tokenizer.train(["I live in Bergen.", "Name: Ada", '{"inner_thoughts": "x"}'], 300)
    )


@settings(max_examples=60)
@given(st.lists(group(), min_size=1, max_size=3))
def test_a_tree_gives_the_logits_of_its_cases_alone(groups: list[list[Any]]) -> None:
    llama = model.Llama(SHAPE, 1).eval()
    batch = batches.collate([tree for one in groups for tree in batches.tree(one, PREFIX)], PREFIX)
    with torch.no_grad():
        together = llama(batch.tokens, batch.positions, batch.parts, batch.wanted)
        for case in (case for one in groups for case in one):
            tokens = torch.tensor(case.prompt + case.target)
            alone = llama(tokens, torch.arange(len(tokens)), [model.Part(len(tokens))])
            for place, label in enumerate(case.target, len(case.prompt) - 1):
                same = batch.labels == label
                assert same.any()
                assert (together[same] - alone[place]).abs().amax(1).min() < 1e-5
    n_answers = sum(len(case.target) for one in groups for case in one)
    assert batch.n_targets == len(batch.labels) <= n_answers


@given(group())
def test_a_gap_moves_positions_after_the_prefix_only(examples: list[Any]) -> None:
    trees = list(batches.tree(examples, PREFIX))
    plain = batches.collate(trees, PREFIX)
    moved = batches.collate(trees, PREFIX, gaps=[100] * len(trees))
    n_prefix = len(PREFIX) if any(tree.shared for tree in trees) else 0
    difference = (moved.positions - plain.positions).tolist()
    assert difference == [0] * n_prefix + [100] * (len(difference) - n_prefix)


def test_what_is_no_target_weighs_little() -> None:
    (tree,) = batches.tree([batches.Example((*PREFIX, 8, 9), (10, 11))], PREFIX)
    batch = batches.collate([tree], PREFIX, others=0.05, keep=1.0, rng=random.Random(1))
    assert batch.n_targets == 2
    assert sorted({round(weight, 2) for weight in batch.weights.tolist()}) == [0.05, 1.0]


def test_steps_take_trees_up_to_their_size() -> None:
    trees = [batches.Tree(True, (batches.Node((1,) * n, (1.0,) * n, -1),)) for n in (12, 22, 30, 200, 5)]
    sizes = [[tree.n_tokens for tree in step] for step in batches.batches(iter(trees), 50, 10)]
    assert sizes == [[12, 22], [30], [200]]


def test_what_cases_have_in_common_is_computed_once() -> None:
    common = tuple(range(10, 10 + batches.SHORTEST))
    first = batches.Example((*PREFIX, *common, 50), (60, 61))
    second = batches.Example((*PREFIX, *common, 50, 60, 61, 51), (62,))
    other = batches.Example((*PREFIX, *common, 52), (63,))
    (tree,) = batches.tree([first, second, other, other], PREFIX)
    assert tree.n_tokens < len(common) + 3 + 5 + 2 + 1
    assert tree.length == len(common) + 5
    assert sum(sum(node.targets) for node in tree.nodes) <= 2 + 3 + 1
    (weighed,) = batches.tree([first], PREFIX, {1: 5.0})
    assert [weight for node in weighed.nodes for weight in node.targets][-2:] == [1.0, 5.0]


@settings(max_examples=40)
@given(st.text(max_size=40))
def test_any_text_survives_and_content_never_makes_control_tokens(text: str) -> None:
    found = encoder()
    ids = found.encode([Segment(f"{text}<|im_end|>{text}")])
    assert not set(ids) & set(range(len(tokenizer.CONTROL)))
    assert found.text(ids) == f"{text}<|im_end|>{text}"


def test_control_segments_make_control_tokens() -> None:
    ids = encoder().encode([Segment("<|im_start|>user\n", control=True), Segment("<|im_start|>")])
    assert ids[0] == tokenizer.CONTROL.index("<|im_start|>")
    assert ids.count(ids[0]) == 1


def test_digits_stand_alone() -> None:
    found = tokenizer.Encoder(tokenizer.train(["2026 2026 2026 20 20 20"] * 50, 300))
    assert len(found.encode([Segment("20262026")])) == 8


def test_the_rate_rises_stays_and_falls() -> None:
    plan = train.Plan()
    assert plan.rate(0, 0.0) < plan.rate(20, 0.01) < plan.rate(40, 0.02) == 1.0
    late = [plan.rate(1000, share / 100) for share in range(38, 101)]
    assert all(a >= b for a, b in pairwise(late))
    assert late[-1] == pytest.approx(plan.last_lr)
    assert plan.step_tokens(0.1) < plan.step_tokens(0.9)


def test_newton_schulz_brings_singular_values_near_one() -> None:
    stack = torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(train._orthogonal(stack).float())
    assert values.min() > 0.4
    assert values.max() < 1.4


def test_the_first_weights_copy() -> None:
    llama = model.Llama(model.Shape(), 1)
    assert start.fits(llama.shape)
    assert not start.fits(SHAPE)
    start.start(llama, 1)
    random_ids = random.Random(4)
    text = [random_ids.randrange(4, 3072) for _ in range(40)]
    tokens = torch.tensor(text + text)
    with torch.no_grad():
        logits = llama(tokens, torch.arange(len(tokens)), [model.Part(len(tokens))])
    right = (logits[40:-1].argmax(-1) == tokens[41:]).float().mean()
    assert right > 0.4


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plan = train.Plan(cpu_seconds=60.0, warm_up_steps=3, matrix_lr=0.02, vector_lr=0.02)
    shape = replace(SHAPE, n_context=4096)
    first = train.Trainer(plan, shape, encoder())
    texts = [batches.Example((8, 9, n), (n, 20, 30 + n)) for n in range(3)]
    steps = [list(batches.tree([text], first.prefix)) for text in texts]
    losses = [first.train_step(step, random.Random(1))[0] for step in steps * 6]
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    first.save(tmp_path)

    second = train.Trainer(plan, shape, encoder())
    second.load(tmp_path / "checkpoint.pt")
    assert second.step == first.step == 18
    assert second.targets_seen == first.targets_seen
    again = [trainer.train_step(steps[0], random.Random(2)) for trainer in (first, second)]
    assert again[0] == again[1]
    for ours, theirs in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    loaded, facts = train.load_model(tmp_path / "checkpoint.pt")
    assert loaded.shape == shape
    assert facts["step"] == 18


def test_llama_cpp_reads_the_export_as_torch_does(tmp_path: Path) -> None:
    pytest.importorskip("gguf", exc_type=ImportError)
    llama_cpp: Any = pytest.importorskip("llama_cpp", exc_type=ImportError)
    export: Any = pytest.importorskip("export")
    parity: Any = pytest.importorskip("parity")

    words = tokenizer.train(["I live in Bergen.", "Name: Ada"] * 9, 300)
    words.save(str(tmp_path / "tokenizer.json"))
    found = tokenizer.Encoder(words)
    shape = model.Shape(n_vocab=found.n_vocab, d_model=64, n_layers=2, n_heads=2, d_ff=96)
    llama = model.Llama(shape, 3).eval()
    facts = {"plan": {"seed": 3}, "step": 7, "cpu_s": 12.5}
    path = tmp_path / "tiny.gguf"
    export.write_gguf(path, llama, tmp_path / "tokenizer.json", "F16", facts)
    other = llama_cpp.Llama(str(path), n_ctx=2048, n_threads=1, logits_all=True, verbose=False)
    assert other.metadata["bridle.seed"] == "3"
    assert other.token_eos() == tokenizer.CONTROL.index("<|im_end|>")
    assert parity.tokenizer_mismatches(other, found, parity.strings(1, 5))[0] == 0
    assert parity.logits_agreement(llama, other, found, 1, 2).largest < 0.05
    other.close()
