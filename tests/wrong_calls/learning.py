"""Wrong calls of normalisation, dropout, activations, losses and embeddings."""

from tests.wrong_calls.row import Wrong

ROWS = [
    # normalisation
    Wrong("batch_norm", "4", "3", lambda t, F, nn: F.batch_norm(t.zeros(2, 4), t.zeros(3), t.zeros(3))),
    Wrong("batch_norm", "running", "evaluation", lambda t, F, nn: F.batch_norm(t.zeros(2, 4), None, None)),
    Wrong(
        "batch_norm", "[1, 4]", "more than 1", lambda t, F, nn: F.batch_norm(t.zeros(1, 4), None, None, training=True)
    ),
    Wrong("batch_norm", "weight", "4", lambda t, F, nn: F.batch_norm(t.zeros(2, 4), t.zeros(4), t.ones(4), t.ones(3))),
    Wrong("layer_norm", "[2, 3]", "[*, 4]", lambda t, F, nn: F.layer_norm(t.zeros(2, 3), (4,))),
    Wrong("layer_norm", "[4]", "[3]", lambda t, F, nn: F.layer_norm(t.zeros(2, 3), (3,), t.zeros(4))),
    Wrong("layer_norm", "[]", "1-dimensional", lambda t, F, nn: F.layer_norm(t.zeros(2, 3), ())),
    Wrong("group_norm", "4", "3", lambda t, F, nn: F.group_norm(t.zeros(2, 4, 2), 3)),
    Wrong("group_norm", "weight", "4", lambda t, F, nn: F.group_norm(t.zeros(2, 4, 2), 2, t.zeros(3))),
    Wrong("instance_norm", "[2, 4, 1]", "more than 1", lambda t, F, nn: F.instance_norm(t.zeros(2, 4, 1))),
    Wrong("rms_norm", "[2, 3]", "[*, 4]", lambda t, F, nn: F.rms_norm(t.zeros(2, 3), (4,))),
    Wrong("local_response_norm", "1", "3", lambda t, F, nn: F.local_response_norm(t.zeros(3), 2)),
    # dropout and activations
    Wrong("dropout", "1.5", "between 0 and 1", lambda t, F, nn: F.dropout(t.zeros(3), 1.5)),
    Wrong("dropout", "-0.5", "between 0 and 1", lambda t, F, nn: F.dropout(t.zeros(3), -0.5)),
    Wrong("dropout", "2", "between 0 and 1", lambda t, F, nn: nn.Dropout(2)),
    Wrong("alpha_dropout", "1.5", "between 0 and 1", lambda t, F, nn: F.alpha_dropout(t.zeros(3), 1.5)),
    Wrong("glu", "3", "even", lambda t, F, nn: F.glu(t.zeros(3))),
    Wrong("glu", "scalars", "even", lambda t, F, nn: F.glu(t.tensor(1.0))),
    Wrong("prelu", "3", "4", lambda t, F, nn: F.prelu(t.zeros(2, 4), t.zeros(3))),
    Wrong("gelu", "'fast'", "tanh", lambda t, F, nn: F.gelu(t.zeros(2), approximate="fast")),
    Wrong("relu", "list", "Tensor", lambda t, F, nn: F.relu([1.0])),
    Wrong("relu", "NoneType", "Tensor", lambda t, F, nn: F.relu(None)),
    Wrong("gelu", "int64", "", lambda t, F, nn: F.gelu(t.zeros(2).long())),
    Wrong("norm", "3", "[-2, 1]", lambda t, F, nn: F.normalize(t.zeros(2, 2), dim=3)),
    Wrong("cosine_similarity", "[2, 3]", "[2, 2]", lambda t, F, nn: F.cosine_similarity(t.zeros(2, 3), t.zeros(2, 2))),
    # losses
    Wrong("cross_entropy", "5", "3", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.tensor([0, 5]))),
    Wrong("cross_entropy", "-1", "3", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.tensor([0, -1]))),
    Wrong("cross_entropy", "4", "2", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.tensor([0, 1, 2, 0]))),
    Wrong("cross_entropy", "float32", "int64", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.zeros(2))),
    Wrong(
        "cross_entropy", "2", "3", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.tensor([0, 1]), weight=t.ones(2))
    ),
    Wrong(
        "reduction", "avg", "'mean'", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.tensor([0, 1]), reduction="avg")
    ),
    Wrong(
        "cross_entropy",
        "1.5",
        "between 0.0 and 1.0",
        lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.tensor([0, 1]), label_smoothing=1.5),
    ),
    Wrong("cross_entropy", "float32", "int64", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.zeros(2, 2))),
    Wrong("cross_entropy", "[2, 1]", "[2]", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), t.zeros(2, 1).long())),
    Wrong("cross_entropy", "list", "Tensor", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3), [0, 1])),
    Wrong("cross_entropy", "int64", "float", lambda t, F, nn: F.cross_entropy(t.zeros(2, 3).long(), t.tensor([0, 1]))),
    Wrong("nll_loss", "5", "3", lambda t, F, nn: F.nll_loss(t.zeros(2, 3), t.tensor([0, 5]))),
    Wrong("nll_loss", "float32", "int64", lambda t, F, nn: F.nll_loss(t.zeros(2, 3), t.zeros(2))),
    Wrong("nll_loss", "3", "2", lambda t, F, nn: F.nll_loss(t.zeros(2, 3), t.tensor([0, 1, 2]))),
    Wrong(
        "nll_loss", "[2, 5, 5]", "[2, 4, 4]", lambda t, F, nn: F.nll_loss(t.zeros(2, 3, 4, 4), t.zeros(2, 5, 5).long())
    ),
    Wrong("mse_loss", "[3]", "[2]", lambda t, F, nn: F.mse_loss(t.zeros(3), t.zeros(2))),
    Wrong("reduction", "average", "'mean'", lambda t, F, nn: F.mse_loss(t.zeros(3), t.zeros(3), reduction="average")),
    Wrong("l1_loss", "[3]", "[2]", lambda t, F, nn: F.l1_loss(t.zeros(3), t.zeros(2))),
    Wrong("smooth_l1_loss", "-1", "", lambda t, F, nn: F.smooth_l1_loss(t.zeros(3), t.zeros(3), beta=-1)),
    Wrong("huber_loss", "0", "", lambda t, F, nn: F.huber_loss(t.zeros(3), t.zeros(3), delta=0)),
    Wrong("binary_cross_entropy", "[2]", "[3]", lambda t, F, nn: F.binary_cross_entropy(t.zeros(3), t.zeros(2))),
    Wrong(
        "binary_cross_entropy",
        "input",
        "between 0 and 1",
        lambda t, F, nn: F.binary_cross_entropy(t.tensor([2.0]), t.zeros(1)),
    ),
    Wrong(
        "binary_cross_entropy", "int64", "float", lambda t, F, nn: F.binary_cross_entropy(t.zeros(3), t.zeros(3).long())
    ),
    Wrong(
        "binary_cross_entropy_with_logits",
        "[2]",
        "[3]",
        lambda t, F, nn: F.binary_cross_entropy_with_logits(t.zeros(3), t.zeros(2)),
    ),
    Wrong(
        "reduction",
        "none ",
        "'mean'",
        lambda t, F, nn: F.binary_cross_entropy_with_logits(t.zeros(3), t.zeros(3), reduction="none "),
    ),
    Wrong("kl_div", "[3]", "[2]", lambda t, F, nn: F.kl_div(t.zeros(3), t.zeros(2), reduction="sum")),
    Wrong("reduction", "max", "'mean'", lambda t, F, nn: F.kl_div(t.zeros(3), t.zeros(3), reduction="max")),
    Wrong(
        "mul",
        "[2, 3]",
        "[2, 2]",
        lambda t, F, nn: F.cosine_embedding_loss(t.zeros(2, 3), t.zeros(2, 2), t.ones(2)),
    ),
    Wrong(
        "triplet_margin_loss",
        "-1",
        "",
        lambda t, F, nn: F.triplet_margin_loss(t.zeros(2, 3), t.zeros(2, 3), t.zeros(2, 3), margin=-1),
    ),
    Wrong("margin_ranking_loss", "", "", lambda t, F, nn: F.margin_ranking_loss(t.zeros(2, 3), t.zeros(2), t.ones(2))),
    Wrong(
        "gaussian_nll_loss",
        "negative",
        "var",
        lambda t, F, nn: F.gaussian_nll_loss(t.zeros(2), t.zeros(2), t.full((2,), -1.0)),
    ),
    Wrong("gaussian_nll_loss", "[3]", "[2]", lambda t, F, nn: F.gaussian_nll_loss(t.zeros(2), t.zeros(2), t.ones(3))),
    Wrong(
        "multi_margin_loss", "3", "p == 2", lambda t, F, nn: F.multi_margin_loss(t.zeros(2, 3), t.tensor([0, 1]), p=3)
    ),
    # embedding
    Wrong("embedding", "5", "3", lambda t, F, nn: F.embedding(t.tensor([5]), t.zeros(3, 2))),
    Wrong("embedding", "-1", "3", lambda t, F, nn: F.embedding(t.tensor([-1]), t.zeros(3, 2))),
    Wrong("embedding", "float32", "int", lambda t, F, nn: F.embedding(t.tensor([1.0]), t.zeros(3, 2))),
    Wrong("embedding", "[3]", "2-D", lambda t, F, nn: F.embedding(t.tensor([1]), t.zeros(3))),
    Wrong("embedding", "list", "Tensor", lambda t, F, nn: F.embedding([1], t.zeros(3, 2))),
    Wrong("embedding", "padding_idx", "5", lambda t, F, nn: F.embedding(t.tensor([1]), t.zeros(3, 2), padding_idx=5)),
]
