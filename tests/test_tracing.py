"""Anomaly mode, trace_nans, the lines of in-place errors, and the warning about graphs that only grow."""

import math
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd as torch
import nn
import nn.functional as F
from autograd import held_graphs, tracing
from nn import optim


@pytest.fixture(autouse=True)
def modes_are_off_again() -> Iterator[None]:
    yield
    assert [tracing.watchers, tracing.tracers, tracing.grad_checks] == [[], [], []]


def leaf(*values: float) -> Any:
    return torch.tensor(values, requires_grad=True)


def text_of(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error))


# -- anomaly mode -----------------------------------------------------------------------------------------------------


def test_a_nan_in_backward_is_refused_as_in_pytorch(torch: Any) -> None:
    import autograd

    for library in (torch, autograd):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with library.autograd.detect_anomaly():
                w = library.zeros(2, requires_grad=True)
                y = (w.sqrt() * 0).sum()
                with pytest.raises(
                    RuntimeError, match=r"Function 'SqrtBackward0?' returned nan values in its 0th output"
                ):
                    y.backward()


def test_the_error_says_where_the_op_was_called() -> None:
    w = leaf(0.0, 4.0)
    with torch.detect_anomaly():
        y = w.sqrt() * torch.tensor([0.0, 1.0])  # the line
        with pytest.raises(
            RuntimeError, match=r"1 of the 2 elements.*test_tracing.py:\d+, in test_the_error_says"
        ) as error:
            y.sum().backward()
    (note,) = error.value.__notes__
    assert note.startswith("Traceback of the forward call of SqrtBackward (most recent call last):")
    assert note.endswith("y = w.sqrt() * torch.tensor([0.0, 1.0])  # the line")


def test_the_error_names_the_module() -> None:
    class Root(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.sqrt() * 0

    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), Root()))
    with torch.detect_anomaly():
        y = net(torch.zeros(1, 2) - 100 * net[0].bias.detach())
        y = net[1](y.detach().requires_grad_() * 0) + y * 0
        with pytest.raises(RuntimeError, match=r"called at 1 \(Root\), .*in forward: return x.sqrt\(\) \* 0"):
            y.sum().backward()


@pytest.mark.parametrize("check_nan", [True, False])
def test_modes_are_set_and_put_back(check_nan: bool) -> None:
    assert not torch.is_anomaly_enabled()
    with torch.detect_anomaly(check_nan=check_nan):
        assert torch.is_anomaly_enabled()
        assert torch.is_anomaly_check_nan_enabled() is check_nan
        with torch.set_detect_anomaly(False):
            assert not torch.is_anomaly_enabled()
        assert torch.is_anomaly_check_nan_enabled() is check_nan
    assert not torch.is_anomaly_enabled()
    mode = torch.detect_anomaly()
    with mode, mode:
        assert torch.is_anomaly_enabled()
    assert not torch.is_anomaly_enabled()
    torch.set_detect_anomaly(True)
    torch.set_detect_anomaly(True)
    assert torch.is_anomaly_enabled()
    torch.set_detect_anomaly(False)
    assert not torch.is_anomaly_enabled()


def test_check_nan_may_be_off() -> None:
    w = leaf(0.0)
    with torch.detect_anomaly(check_nan=False):
        (w.sqrt() * 0).sum().backward()
    assert math.isnan(w.grad.item())


def test_any_error_in_backward_carries_the_forward_traceback() -> None:
    class Breaks(torch.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            raise KeyError("lost")

    with torch.detect_anomaly():
        y = Breaks.apply(leaf(1.0))  # here
        with pytest.raises(KeyError) as error:
            y.backward()
    assert "y = Breaks.apply(leaf(1.0))  # here" in text_of(error.value)


def test_gradients_are_the_same_under_anomaly_mode() -> None:
    def run() -> Any:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        F.cross_entropy(net(torch.randn(5, 3)), torch.tensor([0, 1, 1, 0, 1])).backward()
        return [p.grad.tolist() for p in net.parameters()]

    with torch.detect_anomaly():
        found = run()
    assert found == run()


# -- in-place errors --------------------------------------------------------------------------------------------------


def overwritten() -> Any:
    x = leaf(1.0, 2.0) * 2
    y = x.exp()
    z = y * x  # saver
    y.add_(1)  # writer
    return z.sum()


def test_in_place_errors_name_both_ops_and_say_how_to_find_the_lines() -> None:
    with pytest.raises(
        RuntimeError,
        match=r"mul saved its input x of shape \(2,\), which add_ has written to.*version 1, expected version 0.*detect_anomaly\(\) to see the lines",
    ):
        overwritten().backward()


def test_in_anomaly_mode_they_name_both_lines() -> None:
    with (
        torch.detect_anomaly(),
        pytest.raises(
            RuntimeError,
            match=r"saved at .*in overwritten: z = y \* x  # saver; written at .*in overwritten: y.add_\(1\)  # writer",
        ),
    ):
        overwritten().backward()


class Square(torch.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad * 2 * x


@pytest.mark.parametrize("debugging", [False, True])
def test_values_saved_by_functions(debugging: bool) -> None:
    with torch.set_detect_anomaly(debugging):
        x = leaf(1.0) * 1
        y = Square.apply(x)
        x.mul_(2)
        expected = r"saved at .*ctx.save_for_backward\(x\); written at .*x.mul_\(2\)" if debugging else "detect_anomaly"
        with pytest.raises(RuntimeError, match=f"Square saved a tensor.*mul_ has written.*{expected}"):
            y.backward()


def test_an_op_from_before_the_mode_is_at_an_unknown_place() -> None:
    x = leaf(1.0) * 1
    y = x.exp()
    with torch.detect_anomaly():
        y.mul_(2)
        with pytest.raises(RuntimeError, match=r"saved at an unknown place; written at .*y.mul_\(2\)"):
            y.backward()


# -- trace_nans -------------------------------------------------------------------------------------------------------


class LogOf(nn.Module):
    def forward(self, x: Any) -> Any:
        return (x - 1).log()  # the log


def test_the_first_value_that_is_not_finite_is_named() -> None:
    net = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), LogOf(), nn.ReLU()))
    x = torch.tensor([[2.0, 3.0], [0.5, 1.5]])
    with torch.trace_nans(), pytest.raises(RuntimeError) as error:
        net(x)
    lines = str(error.value).splitlines()
    assert (
        lines[0]
        == "1.1 (LogOf): log: 1 of 4 values are nan in the result of shape (2, 2), the first at (1, 0); no input held nan"
    )
    assert lines[1] == "  x: float32 of shape (2, 2), finite, from -0.5 to 2"
    assert lines[2].endswith("in forward: return (x - 1).log()  # the log")
    assert net(x).isnan().any()  # outside nothing is stopped


def infinite(x: Any) -> Any:
    return (x * 1000).exp()


@pytest.mark.parametrize("use", [torch.trace_nans(), torch.trace_nans, torch.trace_nans(inf=True)])
def test_as_a_decorator(use: Any) -> None:
    with pytest.raises(RuntimeError, match="^exp: 1 of 2 values are inf"):
        use(infinite)(torch.tensor([0.0, 1.0]))


def test_infinities_may_be_let_through() -> None:
    with torch.trace_nans(inf=False):
        y = infinite(torch.tensor([1.0]))
        with pytest.raises(RuntimeError, match=r"(?s)^sub: 1 of 1 values are nan.*no input held nan\n  x: .* 1 inf"):
            y - y


def test_masks_of_minus_infinity_are_not_blamed_but_rows_without_an_entry_are() -> None:
    scores = torch.zeros(3, 3)
    mask = torch.full((3, 3), -torch.inf).triu(1)
    with torch.trace_nans():
        assert torch.softmax(scores + mask, -1).isfinite().all()
        hidden = scores.masked_fill(torch.ones(3, 3, dtype=torch.bool), -torch.inf)
        torch.where(mask == 0, scores, -torch.inf)
        with pytest.raises(
            RuntimeError, match=r"(?s)^softmax: 9 of 9 values are nan.*: float32 of shape \(3, 3\), 9 inf\n"
        ):
            torch.softmax(hidden, -1)


def test_a_nan_that_came_in_with_the_data_is_named_where_it_came_in() -> None:
    x = torch.ones(4, 3)
    x[1, 2] = torch.nan
    net = nn.Sequential(nn.Linear(3, 2))
    with torch.trace_nans():
        batch = torch.cat([x[:2], x[2:]]).reshape(2, 6).t().reshape(4, 3)  # ops that move values are not blamed
        with pytest.raises(
            RuntimeError,
            match=r"^0 \(Linear\): linear: .* an input held it already, which no op has made\n  input: .*, 1 nan,",
        ):
            net(batch)
        assert torch.nansum(x).item() == 11


def test_nan_given_as_a_number_is_the_users_will() -> None:
    with torch.trace_nans():
        gaps = torch.where(torch.tensor([True, False]), torch.tensor([1.0, 2.0]), torch.nan)
        gaps.masked_fill(torch.tensor([True, False]), torch.nan)
        assert torch.nan_to_num(gaps).tolist() == [1.0, 0.0]
        with pytest.raises(RuntimeError, match="^exp: .*held it already"):
            gaps.exp()


@pytest.mark.parametrize(("function", "what"), [(lambda w: w.sqrt(), "inf"), (lambda w: w.sqrt() * 0, "nan")])
def test_backward_is_watched(function: Callable[[Any], Any], what: str) -> None:
    w = leaf(0.0)
    with torch.trace_nans():
        y = function(w)
        with pytest.raises(
            RuntimeError,
            match=rf"Function 'SqrtBackward' returned {what} values.*called at .*in <lambda>",
        ):
            y.sum().backward()


def test_custom_functions_and_in_place_ops_are_watched() -> None:
    class Inverse(torch.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return torch.from_numpy(np.full(1, np.inf, np.float32))

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad

    with torch.trace_nans():
        with pytest.raises(RuntimeError, match="^Inverse: 1 of 1 values are inf"):
            Inverse.apply(torch.zeros(1))
        with pytest.raises(RuntimeError, match="^log: "):
            torch.zeros(1).log_()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_in_every_grad_mode(mode: Any) -> None:
    with torch.trace_nans(), mode(), pytest.raises(RuntimeError, match="^log: "):
        torch.zeros(3000, requires_grad=True).log()


def test_other_threads_are_left_alone() -> None:
    found: list[Any] = []
    with torch.trace_nans():
        thread = threading.Thread(target=lambda: found.append(torch.zeros(1).log().item()))
        thread.start()
        thread.join()
    assert found == [-math.inf]


def test_training_is_the_same_under_trace_nans() -> None:
    def run() -> Any:
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3)
        )
        optimizer = optim.Adam(net.parameters())
        for _ in range(3):
            loss = F.cross_entropy(net(torch.randn(4, 1, 8, 8)), torch.tensor([0, 1, 2, 0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    with torch.trace_nans():
        found = run()
    assert found == run()


# -- graphs that only grow --------------------------------------------------------------------------------------------

STEPS = 2 * held_graphs.LIMIT + 10


@pytest.fixture
def nothing_said() -> Iterator[None]:
    held_graphs._past.__init__()  # type: ignore[misc]
    yield
    held_graphs._past.__init__()  # type: ignore[misc]


def steps(keep: Callable[[Any, Any], Any], kept: Any, count: int = STEPS) -> Any:
    w = leaf(1.0)
    for _ in range(count):
        loss = (w * w).sum()
        loss.backward()
        kept = keep(kept, loss)
    return kept


def add(total: Any, loss: Any) -> Any:
    total += loss
    return total


def append(losses: Any, loss: Any) -> Any:
    losses.append(loss)
    return losses


def store(losses: dict[int, Any], loss: Any) -> Any:
    losses[len(losses)] = loss
    return losses


@pytest.mark.parametrize(
    ("keep", "start"),
    [
        (add, 0),
        (lambda total, loss: total + loss, 0),
        (lambda mean, loss: 0.9 * mean + 0.1 * loss, 0),
        (append, []),
        (store, {}),
    ],
    ids=["+=", "+", "average", "list", "dict"],
)
@pytest.mark.usefixtures("nothing_said")
def test_a_growing_graph_is_noticed_once(keep: Any, start: Any) -> None:
    with pytest.warns(
        UserWarning,
        match=r"`kept` holds the losses of \d+ past steps.*test_tracing.py:\d+.*loss.item\(\) or loss.detach\(\)",
    ) as caught:
        steps(keep, start)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("keep", "start"),
    [
        (lambda total, loss: total + loss.item(), 0),
        (lambda total, loss: total + loss.detach(), 0),
        (append, deque(maxlen=100)),
        (lambda last, loss: loss, None),
    ],
    ids=["item", "detach", "window", "last"],
)
@pytest.mark.usefixtures("nothing_said")
def test_what_lets_go_is_not(keep: Any, start: Any) -> None:
    steps(keep, start)


@pytest.mark.usefixtures("nothing_said")
def test_one_long_graph_is_not() -> None:
    w = leaf(0.5)
    h, total = torch.zeros(1), 0
    for _ in range(10_000):
        h = h * w + 1
        total += h.sum()
    total.backward()


@pytest.mark.usefixtures("nothing_said")
def test_losses_computed_before_the_first_backward_are_not() -> None:
    w = leaf(1.0)
    losses = [(w * i).sum() for i in range(STEPS)]
    for loss in losses:
        loss.backward()


@pytest.mark.usefixtures("nothing_said")
def test_rows_of_a_jacobian_are_not() -> None:
    w = leaf(*map(float, range(STEPS)))
    rows = list((w * w).unbind())
    for row in rows:
        row.backward(retain_graph=True)
    for _ in range(STEPS):  # nor are graphs that backward keeps for another use
        rows.append((w * w).sum())
        rows[-1].backward(retain_graph=True)


@pytest.mark.usefixtures("nothing_said")
def test_threads_count_for_themselves() -> None:
    threads = [threading.Thread(target=steps, args=(append, [], held_graphs.LIMIT)) for _ in range(3)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert not caught
