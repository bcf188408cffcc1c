"""Models of tokens and sequences: vision transformer, MLP-Mixer and recurrent classifiers."""

import importlib
import math
from typing import Any

import numpy as np
import pytest

import autograd
from nn import models
from tests.models_under_torch import (
    assert_computes_as_pytorch,
    assert_table_is_true,
    fingerprint,
    scattered,
    under_torch,
)

VIT = (16, 4, 2, 3, 12, 24)  # image, patch, layers, heads, features, hidden units
MIXER = (16, 4, 2, 12, 10, 24)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def source(name: str) -> Any:
    return importlib.import_module(f"nn.models.{name}")


# -- vision transformer -----------------------------------------------------------------------------------------


def test_vit_b_16_is_torchvisions_by_names_and_shapes() -> None:
    model = models.vit_b_16()
    assert fingerprint(model) == "2c2360f6707280a86df9a1440d55f804bda47bd947f0b8d71ac03cee48c0f1d1"
    assert sum(p.numel() for p in model.parameters()) == 86_567_656
    assert_table_is_true(source("vision_transformer"), model, (1, 3, 224, 224))


def test_other_sizes_of_vit() -> None:
    model = models.vit_b_32(num_classes=10, image_size=64)
    assert model(autograd.tensor(images(1, 3, 64, 64))).shape == (1, 10)
    assert model.encoder.pos_embedding.shape == (1, 5, 768)


@pytest.mark.parametrize("options", [{}, {"num_classes": 5, "representation_size": 7}])
def test_vit_computes_as_pytorch(options: Any, torch: Any) -> None:
    ours = models.VisionTransformer(*VIT, **options)
    scattered(ours)
    theirs = under_torch("vision_transformer").VisionTransformer(*VIT, **options)
    assert_computes_as_pytorch(ours, theirs, images(2, 3, 16, 16))


def test_vit_gives_what_torchvisions_gave() -> None:
    """Logits of torchvision 0.28's model with these weights: the source under PyTorch shares our architecture."""
    model = models.VisionTransformer(*VIT, num_classes=4, representation_size=7)
    random = np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.detach().copy_(autograd.tensor(random.normal(0, 0.3, parameter.shape)))
    expected = [[-0.0657707, -0.8471218, -0.6278213, -0.5151851], [-0.0720423, -0.8494887, -0.6122313, -0.505459]]
    found = model(autograd.tensor(images(2, 3, 16, 16))).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_vit_starts_as_torchvisions() -> None:
    autograd.manual_seed(0)
    model = models.VisionTransformer(32, 8, 1, 4, 256, 512, representation_size=128)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    block = "encoder.layers.encoder_layer_0."
    for name in ("class_token", "conv_proj.bias", "heads.head.weight", "heads.head.bias", "heads.pre_logits.bias"):
        assert not state[name].any(), name
    assert state["encoder.pos_embedding"].std() == pytest.approx(0.02, rel=0.05)
    assert state["conv_proj.weight"].std() == pytest.approx((1 / 192) ** 0.5, rel=0.02)
    assert state["heads.pre_logits.weight"].std() == pytest.approx(1 / 16, rel=0.02)
    assert np.abs(state[block + "mlp.0.weight"]).max() == pytest.approx((6 / 768) ** 0.5, rel=0.01)
    assert state[block + "mlp.0.bias"].std() == pytest.approx(1e-6, rel=0.1)


# -- mixer --------------------------------------------------------------------------------------------------------


def test_mixers_have_the_papers_sizes() -> None:
    model = models.mlp_mixer_b16()
    assert sum(p.numel() for p in model.parameters()) == 59_880_472
    assert_table_is_true(source("mlp_mixer"), model, (1, 3, 224, 224))
    assert sum(p.numel() for p in models.mlp_mixer_s32().parameters()) == pytest.approx(19e6, rel=0.03)
    assert [name for name, _ in models.mlp_mixer("S", num_layers=1).named_parameters()] == [
        *(f"stem.proj.{each}" for each in ("weight", "bias")),
        *(f"blocks.0.norm1.{each}" for each in ("weight", "bias")),
        *(f"blocks.0.mlp_tokens.{fc}.{each}" for fc in ("fc1", "fc2") for each in ("weight", "bias")),
        *(f"blocks.0.norm2.{each}" for each in ("weight", "bias")),
        *(f"blocks.0.mlp_channels.{fc}.{each}" for fc in ("fc1", "fc2") for each in ("weight", "bias")),
        *(f"{layer}.{each}" for layer in ("norm", "head") for each in ("weight", "bias")),
    ]


def test_the_mixer_computes_as_pytorch(torch: Any) -> None:
    options = {"num_classes": 5, "in_channels": 2}
    ours = models.MLPMixer(*MIXER, **options)
    scattered(ours)
    theirs = under_torch("mlp_mixer").MLPMixer(*MIXER, **options)
    assert_computes_as_pytorch(ours, theirs, images(3, 2, 16, 16))


def test_the_mixer_is_the_papers_formula() -> None:
    """Equations 1 and figure 1 of the paper, in NumPy, in float64."""
    model = models.MLPMixer(*MIXER, num_classes=5).double()
    scattered(model)
    w = {name: value.numpy() for name, value in model.state_dict().items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def mlp(x: np.ndarray, name: str) -> np.ndarray:
        h = linear(x, f"{name}.fc1")
        return linear(h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2))), f"{name}.fc2")

    given = images(2, 3, 16, 16).astype(np.float64)
    patches = given.reshape(2, 3, 4, 4, 4, 4).transpose(0, 2, 4, 1, 3, 5).reshape(2, 16, 48)
    x = patches @ w["stem.proj.weight"].reshape(12, 48).T + w["stem.proj.bias"]
    for i in range(2):
        x = x + mlp(norm(x, f"blocks.{i}.norm1").swapaxes(1, 2), f"blocks.{i}.mlp_tokens").swapaxes(1, 2)
        x = x + mlp(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp_channels")
    expected = linear(norm(x, "norm").mean(1), "head")
    np.testing.assert_allclose(model(autograd.tensor(given)).detach().numpy(), expected, rtol=1e-9, atol=1e-11)


def test_a_mixer_for_small_images() -> None:
    model = models.mlp_mixer("S", 4, 32, num_layers=2, hidden_dim=16, num_classes=10)
    assert not model(autograd.tensor(images(2, 3, 32, 32))).detach().numpy().any()  # the head starts as zeros


@pytest.mark.parametrize("model", [models.VisionTransformer(*VIT), models.MLPMixer(*MIXER)], ids=["vit", "mixer"])
@pytest.mark.parametrize("shape", [(2, 3, 16, 8), (2, 1, 16, 16), (3, 16, 16), (2, 3, 32, 32)])
def test_images_of_another_size_are_refused(model: Any, shape: tuple[int, ...]) -> None:
    message = r": input has shape \(.*\), expected \(N, 3, 16, 16\)"
    with pytest.raises(ValueError, match=type(model).__name__ + message):
        model(autograd.tensor(images(*shape)))


def test_an_empty_batch_gives_no_logits() -> None:
    for model in (models.VisionTransformer(*VIT), models.MLPMixer(*MIXER)):
        assert model(autograd.tensor(images(0, 3, 16, 16))).shape == (0, 1000)


def test_patches_that_do_not_fit_are_refused() -> None:
    for make in (models.vit_b_16, models.mlp_mixer_b16):
        with pytest.raises(ValueError, match="an image of 100 × 100 pixels cannot be cut into patches of 16 × 16"):
            make(image_size=100)
    with pytest.raises(ValueError, match="image_size must be a positive multiple"):
        models.mlp_mixer("S", 0)
    with pytest.raises(ValueError, match="size is 'M', expected one of 'S', 'B', 'L', 'H'"):
        models.mlp_mixer("M")


# -- recurrent ----------------------------------------------------------------------------------------------------

KINDS = ("rnn", "lstm", "gru")
OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"pooling": "mean", "bidirectional": True},
    {"num_embeddings": 9, "padding_idx": 0, "pooling": "mean"},
]


def sequences(options: dict[str, Any]) -> np.ndarray:
    random = np.random.default_rng(0)
    if "num_embeddings" in options:
        return random.integers(1, options["num_embeddings"], (4, 6))
    return random.standard_normal((4, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [None, [3, 6, 1, 4]], ids=["full", "padded"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_recurrent_classifiers_compute_as_pytorch(kind: str, lengths: Any, options: Any, torch: Any) -> None:
    ours = models.RecurrentClassifier(kind, 3, 5, 4, **options)
    theirs = under_torch("recurrent").RecurrentClassifier(kind, 3, 5, 4, **options)
    given = (sequences(options),) if lengths is None else (sequences(options), np.array(lengths))
    assert_computes_as_pytorch(ours, theirs, *given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_padding_changes_nothing(kind: str, options: Any) -> None:
    """Each sequence of a padded batch gives what it gives alone."""
    autograd.manual_seed(0)
    model = models.RecurrentClassifier(kind, 3, 5, 4, **options)
    x, lengths = sequences(options), [3, 6, 1, 4]
    together = model(autograd.tensor(x), autograd.tensor(lengths)).detach().numpy()
    for i, n in enumerate(lengths):
        alone = model(autograd.tensor(x[i : i + 1, :n])).detach().numpy()[0]
        np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-6)


def test_recurrent_classifiers_by_name() -> None:
    for make, layer in (
        (models.rnn_classifier, "RNN"), (models.lstm_classifier, "LSTM"), (models.gru_classifier, "GRU")
    ):  # fmt: skip
        assert type(make(28, 16, 10).rnn).__name__ == layer
    assert_table_is_true(source("recurrent"), models.lstm_classifier(28, 128, 10), (2, 28, 28))


def test_dropout_is_of_training_alone() -> None:
    model = models.gru_classifier(3, 8, 2, num_layers=2, dropout=0.5)
    x = autograd.tensor(images(2, 4, 3))
    assert not np.array_equal(model(x).detach().numpy(), model(x).detach().numpy())
    model.eval()
    np.testing.assert_array_equal(model(x).detach().numpy(), model(x).detach().numpy())


def test_wrong_sequences_are_refused() -> None:
    model = models.lstm_classifier(3, 5, 2)
    x = autograd.tensor(images(2, 4, 3))
    with pytest.raises(ValueError, match=r"input has shape \(4, 3\), expected \(N, L, features\)"):
        model(x[0])
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0"):
        model(x[:, :0])
    with pytest.raises(RuntimeError, match="greater than 0"):
        model(x, [4, 0])
    with pytest.raises(RuntimeError, match=r"rnn \(LSTM\)"):
        model(autograd.tensor(images(2, 4, 2)))
    with pytest.raises(ValueError, match=r"expected \(N, L\): tokens"):
        models.lstm_classifier(3, 5, 2, num_embeddings=9)(x)
    with pytest.raises(ValueError, match="kind is 'elman', expected one of 'rnn', 'lstm', 'gru'"):
        models.RecurrentClassifier("elman", 3, 5, 2)
    with pytest.raises(ValueError, match="pooling is 'max', expected one of 'last', 'mean'"):
        models.gru_classifier(3, 5, 2, pooling="max")
    with pytest.raises(ValueError, match="give num_embeddings"):
        models.gru_classifier(3, 5, 2, padding_idx=0)
