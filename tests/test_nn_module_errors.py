"""Where in a model an error arose: the path in its message, and all else about it as it was raised."""

import copy
import dataclasses
import pickle
import threading
import traceback
from typing import Any

import pytest

import autograd as torch
import nn


class Fails(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Any) -> Any:
        raise self.error


def nested(module: nn.Module) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Sequential(module))


class Stop(Exception):
    """An error of the user's whose constructor takes what its message does not show."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Mute(RuntimeError):
    __slots__ = ()

    def __str__(self) -> str:
        return "mute"


@pytest.mark.parametrize(
    "error",
    [
        Stop(3, reason="enough"),
        Frozen(3),
        Mute("x"),
        StopIteration("value"),
        KeyError("k"),
        OSError(2, "no such file"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        ExceptionGroup("two", [ValueError("a")]),
    ],
    ids=lambda e: type(e).__name__,
)
def test_errors_of_other_types_keep_their_arguments_and_get_a_note(error: Exception) -> None:
    arguments, text = error.args, str(error)
    error.__dict__["__notes__"] = ["the user's"]
    with pytest.raises(type(error)) as raised:
        nested(Fails(error))(torch.zeros(1))
    assert raised.value is error
    assert (error.args, str(error)) == (arguments, text)
    assert error.__notes__ == ["the user's", "in 1.0 (Fails)"]


@pytest.mark.parametrize(
    "kind", [RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError, AttributeError]
)
def test_errors_of_python_get_the_path_before_their_message(kind: type[Exception]) -> None:
    error = kind("wrong")
    with pytest.raises(kind, match=r"^1\.0 \(Fails\): wrong$") as raised:
        nested(Fails(error))(torch.zeros(1))
    assert raised.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "forward"


def test_the_outermost_module_is_shown_by_its_class() -> None:
    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return x @ x

    with pytest.raises(RuntimeError, match=r"^Net: matmul: "):
        Net()(torch.zeros(2, 3))


def test_a_message_that_names_the_class_already_is_left_as_it_is() -> None:
    with pytest.raises(ValueError, match="^Fails: wrong$"):
        Fails(ValueError("Fails: wrong"))(torch.zeros(1))


@pytest.mark.parametrize("mode", ["train", "eval", "no_grad", "inference"])
def test_in_every_mode(mode: str) -> None:
    net = nested(nn.Linear(3, 2))
    net.train(mode == "train")
    raises = pytest.raises(RuntimeError, match=r"^1\.0 \(Linear\): linear: ")
    with torch.inference_mode(mode == "inference"), torch.set_grad_enabled(mode == "train"), raises:
        net(torch.zeros(1, 4))


@pytest.mark.parametrize("register", ["register_forward_pre_hook", "register_forward_hook"])
def test_errors_in_hooks(register: str) -> None:
    layer = nn.ReLU()

    def hook(*_: Any) -> None:
        raise ValueError("hook failed")

    getattr(layer, register)(hook)
    with pytest.raises(ValueError, match=r"^1\.0 \(ReLU\): hook failed"):
        nested(layer)(torch.zeros(1))


@pytest.mark.parametrize("register", ["register_full_backward_pre_hook", "register_full_backward_hook"])
def test_errors_in_backward_hooks_name_the_module(register: str) -> None:
    layer = nn.Linear(1, 1)

    def hook(*_: Any) -> None:
        raise ValueError("hook failed")

    getattr(layer, register)(hook)
    y = nested(layer)(torch.zeros(1, 1, requires_grad=True))
    with pytest.raises(ValueError, match="^Linear: hook failed"):
        y.sum().backward()


def test_an_error_raised_twice_says_where_it_was_raised_last() -> None:
    fails = Fails(ValueError("wrong"))
    for net, path in ((nested(fails), "1.0"), (nn.Sequential(fails), "0"), (nested(fails), "1.0")):
        with pytest.raises(ValueError, match=rf"^{path} \(Fails\): wrong$"):
            net(torch.zeros(1))


def test_a_module_that_calls_itself() -> None:
    class Again(nn.Module):
        def forward(self, x: int) -> Any:
            if x == 0:
                raise ValueError("bottom")
            return self(x - 1)

    with pytest.raises(ValueError, match=r"^0 \(Again\): bottom$"):
        nn.Sequential(Again())(3)


def test_errors_cross_processes_without_the_model() -> None:
    class Unpicklable(Fails):
        def __reduce__(self) -> Any:
            raise AssertionError("the model was pickled")

    error = ValueError("wrong")
    with pytest.raises(ValueError, match="wrong"):
        nested(Unpicklable(error))(torch.zeros(1))
    for clone in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert clone.args == ("1.0 (Unpicklable): wrong",)


def test_threads_do_not_mix_their_paths() -> None:
    nets = [nested(nn.Linear(3, 2)), nn.Sequential(nn.Linear(3, 2))]
    said: dict[int, set[str]] = {0: set(), 1: set()}

    def run(number: int) -> None:
        for _ in range(200):
            try:
                nets[number](torch.zeros(1, 4))
            except RuntimeError as error:
                said[number].add(str(error).partition(":")[0])

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert said == {0: {"1.0 (Linear)"}, 1: {"0 (Linear)"}}
