"""What optimisers share: groups, states, hooks, closures, copies, errors."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autograd
from autograd import tensor
from nn import optim
from tests.optim_cases import GRID, assert_close, assert_same, give_gradients, parameters, run, values

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copy_steps_on_its_own(how):
    params = parameters(autograd)
    optimizer = optim.Adam(params, lr=0.1)
    give_gradients(autograd, params, 1)
    optimizer.step()
    copied_params, copied = how((params, optimizer))
    before = values(params)
    for step in (2, 4):
        give_gradients(autograd, copied_params, step)
        copied.step()
    np.testing.assert_array_equal(before, values(params))
    for step in (2, 4):
        give_gradients(autograd, params, step)
        optimizer.step()
    assert_same(copied_params, params)


def test_groups_have_options_of_their_own_and_mixed_types():
    ours, theirs = parameters(autograd), parameters(torch)
    mine = optim.SGD([{"params": ours[:1], "lr": 0.5}, {"params": ours[1:]}], lr=0.1, momentum=0.9)
    other = torch.optim.SGD([{"params": theirs[:1], "lr": 0.5}, {"params": theirs[1:]}], lr=0.1, momentum=0.9)
    for step in range(3):
        for lib, params, optimizer in ((autograd, ours, mine), (torch, theirs, other)):
            give_gradients(lib, params, step)
            optimizer.step()
    assert_close(ours, theirs)
    single = tensor([1.0], requires_grad=True)
    mine.add_param_group({"params": [single, tensor([1.0], dtype=autograd.float64, requires_grad=True)]})
    single.grad = tensor([2.0])
    mine.step()
    assert single.item() == pytest.approx(0.8)


def test_a_parameter_in_another_memory_order_is_stepped_where_it_lives():
    base = np.arange(6.0).reshape(2, 3)
    param = autograd.Tensor(base.T, requires_grad=True)
    optimizer = optim.SGD([param], lr=1.0)
    for _ in range(2):
        param.grad = autograd.Tensor(np.ones((2, 3)).T)
        optimizer.step()
    np.testing.assert_array_equal(base, np.arange(6.0).reshape(2, 3) - 2)


def test_a_step_counts_as_a_write():
    w = tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w.grad = tensor([1.0, 1.0])
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"SGD.step has written"):
        loss.backward()


LIBRARIES = ((autograd, optim), (torch, torch.optim))


def both(kind="SGD", **options):
    """Return parameters and an optimiser of each library."""
    pairs = []
    for lib, lib_optim in LIBRARIES:
        params = parameters(lib)
        pairs.append((lib, params, getattr(lib_optim, kind)(params, **options)))
    return pairs


# -- steps ------------------------------------------------------------------------------------------------------------


def test_closures_are_called_with_gradients_and_between_the_hooks():
    w = tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    calls = []

    def closure():
        calls.append("closure")
        optimizer.zero_grad()
        loss = (w * 3).sum()
        loss.backward()
        return loss

    before = optimizer.register_step_pre_hook(lambda *given: calls.append(("before", *given)))
    optimizer.register_step_post_hook(lambda *given: calls.append(("after", *given)))
    with autograd.no_grad():
        assert optimizer.step(closure).item() == 3.0
    given = (optimizer, (optimizer, closure), {})
    assert calls == [("before", *given), "closure", ("after", *given)]
    assert w.item() == pytest.approx(0.7)
    before.remove()
    calls.clear()
    optimizer.step(closure=closure)
    assert calls == ["closure", ("after", optimizer, (optimizer,), {"closure": closure})]
    assert optim.SGD([w]).step() is None


def test_a_hook_may_replace_the_arguments():
    w = tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    handle = optimizer.register_step_pre_hook(lambda self, args, kwargs: ((self, lambda: 5.0), {}))
    assert optimizer.step() == 5.0
    handle.remove()
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match=r"step pre-hook: expected None or a tuple \(new_args, new_kwargs\), got 3"):
        optimizer.step()


def test_zero_grad():
    w = tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    held = w.grad = tensor([2.0])
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is held
    assert held.tolist() == [0.0]
    (w**2).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0]
    assert not w.grad.requires_grad
    optimizer.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize("kind", GRID)
def test_values_that_are_not_finite_spread_as_in_pytorch(kind):
    values = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0])
    results = []
    for lib, lib_optim in LIBRARIES:
        p, q = (lib.tensor(x, requires_grad=True) for x in (np.arange(5.0), values.copy()))
        optimizer = getattr(lib_optim, kind)([p, q], lr=0.1)
        for step in range(4):
            p.grad = lib.tensor(np.roll(values, step) if step < 2 else np.ones(5))
            q.grad = lib.tensor(np.zeros(5))
            optimizer.step()
        results.append([np.array(x.detach().numpy()) for x in (p, q)])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


@pytest.mark.parametrize("kind", GRID)
def test_single_precision_follows_pytorch(kind):
    results = []
    for lib, lib_optim in LIBRARIES:
        rng = np.random.default_rng(0)
        p = lib.tensor(rng.standard_normal(9000).astype(np.float32), requires_grad=True)
        optimizer = getattr(lib_optim, kind)([p], lr=0.01)
        for _ in range(10):
            p.grad = lib.tensor(rng.standard_normal(9000).astype(np.float32))
            optimizer.step()
        results.append(p.detach().numpy())
    np.testing.assert_allclose(*results, rtol=2e-5, atol=2e-6)


def test_momentum_may_be_switched_off_and_on():
    pairs = both(lr=0.1)
    for step, momentum in enumerate((0, 0.9, 0.9, 0, 0.9, 0.5)):
        for lib, params, optimizer in pairs:
            optimizer.param_groups[0]["momentum"] = momentum
            run(lib, params, optimizer, range(step, step + 1))
        assert_close(pairs[0][1], pairs[1][1])


def test_a_rate_that_is_a_tensor_is_read_at_every_step():
    w = tensor([1.0], requires_grad=True)
    rate = tensor(0.5)
    optimizer = optim.SGD([w], lr=rate)
    for expected in (0.5, 0.25):
        w.grad = tensor([1.0])
        optimizer.step()
        assert w.item() == expected
        rate.fill_(0.25)


def test_optimisers_step_in_several_threads_at_once():
    def train(seed):
        params = parameters(autograd, seed)
        optimizer = optim.Adam(params, lr=0.1)
        run(autograd, params, optimizer, range(20))
        return values(params)

    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(train, range(4)))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


# -- state ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GRID)
def test_state_appears_when_pytorchs_does(kind):
    pairs = both(kind)
    for step in range(2):  # the second parameter has no gradient at first
        for lib, params, optimizer in pairs:
            assert optimizer is not None
            run(lib, params, optimizer, range(step, step + 1))
        (_, ours, mine), (_, theirs, other) = pairs
        known = [[p in o.state and sorted(o.state[p]) for p in ps] for ps, o in ((ours, mine), (theirs, other))]
        assert [each or False for each in known[0]] == [each or False for each in known[1]]


def reset_all(lib, optimizer, params):
    optimizer.state.clear()


def replace_state(lib, optimizer, params):
    entry = optimizer.state[params[0]]
    entry["exp_avg"] = lib.zeros_like(entry["exp_avg"])


def write_to_state(lib, optimizer, params):
    optimizer.state[params[0]]["exp_avg_sq"].mul_(2.0)
    optimizer.state[params[0]]["step"].zero_()


def move_state(lib, optimizer, params):
    optimizer.state[params[0]]["exp_avg"].data = lib.ones_like(params[0]).detach()


def drop_entry(lib, optimizer, params):
    del optimizer.state[params[0]]


def replace_parameter(lib, optimizer, params):
    """As programs do that prune, or add points."""
    new = lib.tensor(np.ones((3, 4)), requires_grad=True)
    entry = optimizer.state.pop(params[0])
    optimizer.state[new] = {name: x.clone() for name, x in entry.items()}
    optimizer.param_groups[0]["params"][0] = params[0] = new


def swap_order(lib, optimizer, params):
    group = optimizer.param_groups[0]["params"]
    group[0], group[1] = group[1], group[0]


def move_data(lib, optimizer, params):
    params[0].data = params[0].detach() * 3


@pytest.mark.parametrize(
    "operation",
    [reset_all, replace_state, write_to_state, move_state, drop_entry, replace_parameter, swap_order, move_data],
)
def test_changes_from_outside_are_seen(operation):
    pairs = both("Adam", lr=0.1)
    for lib, params, optimizer in pairs:
        run(lib, params, optimizer, range(4))
        operation(lib, optimizer, params)
        run(lib, params, optimizer, range(4, 8))
    assert_close(pairs[0][1], pairs[1][1])


def test_a_parameter_may_change_its_type_before_the_first_step():
    w = autograd.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([w], lr=0.5)
    w.data = w.detach().double()
    w.grad = autograd.tensor([1.0], dtype=autograd.float64)
    optimizer.step()
    assert optimizer.state[w]["exp_avg"].dtype == autograd.float64


def test_hooks_around_state_dicts():
    optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.1)
    calls = []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("save"))
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: {**state, "param_groups": state["groups"]})
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    state = optimizer.state_dict()
    assert state["extra"] == 1
    groups = state.pop("param_groups")
    groups[0]["lr"] = 0.7
    optimizer.load_state_dict({**state, "groups": groups})
    assert "param_groups" not in state
    assert calls == ["first", "save", "loaded"]
    assert optimizer.param_groups[0]["lr"] == 0.7


def test_what_a_file_lacks_and_adds():
    """Options younger than the file have their defaults; options it adds stay; steps may be plain numbers."""
    params = parameters(autograd)
    optimizer = optim.Adam(params, lr=0.1)
    run(autograd, params, optimizer, range(3))
    state = copy.deepcopy(optimizer.state_dict())
    group = state["param_groups"][0]
    del group["maximize"], group["foreach"]
    group["mine"] = [1, 2]
    for entry in state["state"].values():
        entry["step"] = int(entry["step"])
    again = optim.Adam(fresh := [p.detach().clone().requires_grad_() for p in params], lr=3.0)
    again.load_state_dict(state)
    assert again.param_groups[0]["mine"] == [1, 2]
    assert again.param_groups[0]["mine"] is not group["mine"]
    assert again.param_groups[0]["maximize"] is False
    run(autograd, params, optimizer, range(3, 6))
    run(autograd, fresh, again, range(3, 6))
    assert_same(params, fresh)


def test_state_of_the_optimiser_itself_is_saved_too():
    states = []
    for lib, lib_optim in LIBRARIES:

        class Counting(lib_optim.Optimizer):
            def step(self, closure=None):
                self.state["steps"] = self.state.get("steps", 0) + 1

        optimizer = Counting([lib.tensor([1.0], requires_grad=True)], {})
        optimizer.step()
        again = Counting([lib.tensor([1.0], requires_grad=True)], {})
        again.load_state_dict(optimizer.state_dict())
        again.step()
        states.append(again.state_dict()["state"])
    assert states == [{"steps": 2}] * 2


def test_loaded_state_is_a_copy():
    params = parameters(autograd)
    optimizer = optim.Adam(params, lr=0.1)
    run(autograd, params, optimizer, range(3))
    again = optim.Adam(parameters(autograd), lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    before = values([again.state[p]["exp_avg"] for p in again.param_groups[0]["params"]])
    run(autograd, params, optimizer, range(3, 6))
    np.testing.assert_array_equal(before, values([again.state[p]["exp_avg"] for p in again.param_groups[0]["params"]]))


# -- groups -----------------------------------------------------------------------------------------------------------


def test_parameters_with_names():
    groups = []
    for lib, lib_optim in LIBRARIES:
        pairs = [(f"p{i}", p) for i, p in enumerate(parameters(lib))]
        optimizer = lib_optim.SGD(pairs[:2], lr=0.1)
        optimizer.add_param_group({"params": pairs[2:], "lr": 0.2})
        other = lib_optim.SGD([(f"q{i}", p) for i, p in enumerate(parameters(lib)[:2])], lr=0.3)
        other.add_param_group({"params": [("q2", lib.zeros(())), ("q3", lib.zeros(2, 0))]})
        state = optimizer.state_dict()
        del state["param_groups"][1]["param_names"]
        other.load_state_dict(state)
        groups.append([{k: v for k, v in g.items() if k != "params"} for g in other.param_groups])
    assert groups[0] == groups[1]
    assert [g["param_names"] for g in groups[0]] == [["p0", "p1"], ["q2", "q3"]]


def test_it_is_shown_as_pytorchs():
    for kind in GRID:
        ours, theirs = (repr(optimizer) for _, _, optimizer in both(kind, lr=0.5))
        assert ours == theirs


def test_an_optimiser_of_ones_own():
    """It walks the groups, keeps state, and has hooks, state dicts and schedules as the others do."""
    results = []
    for lib, lib_optim in LIBRARIES:
        calls = []

        class Sign(lib_optim.Optimizer):
            def __init__(self, params, lr=0.1):
                super().__init__(params, {"lr": lr})

            def step(self, closure=None):
                with autograd.no_grad(), torch.no_grad():
                    for group in self.param_groups:
                        for p in group["params"]:
                            if p.grad is not None:
                                count = self.state[p].setdefault("count", 0)
                                self.state[p]["count"] = count + 1
                                p.add_(p.grad.sign(), alpha=-group["lr"])

        class Louder(Sign):
            def step(self, closure=None, calls=calls):
                calls.append("louder")
                super().step(closure)

        params = parameters(lib)
        optimizer = Louder(params, lr=0.2)
        schedule = lib_optim.lr_scheduler.StepLR(optimizer, 2)
        optimizer.register_step_post_hook(lambda *_, calls=calls: calls.append("stepped"))
        for step in range(4):
            run(lib, params, optimizer, range(step, step + 1))
            schedule.step()
        assert calls == ["louder", "stepped"] * 4
        copied = copy.deepcopy(optimizer)
        assert copied.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        assert optimizer.state_dict()["state"][0] == {"count": 4}
        results.append(params)
    assert_close(*results)


# -- wrong calls ------------------------------------------------------------------------------------------------------


def one(lib):
    return [lib.tensor([1.0], requires_grad=True)]


def loaded(lib, o, change):
    """Load a state that does not fit."""
    optimizer = o.Adam(one(lib))
    state = optimizer.state_dict()
    change(state)
    optimizer.load_state_dict(state)


WRONG = [  # what is called, with a library and its optim; and what our message says
    (lambda lib, o: o.SGD([]), "empty parameter list"),
    (lambda lib, o: o.SGD(one(lib)[0]), "iterable of Tensors or dicts, but got autograd.tensor.Tensor"),
    (lambda lib, o: o.SGD([1.0]), "one of the params is float"),
    (lambda lib, o: o.SGD([one(lib)[0] * 2]), "non-leaf"),
    (lambda lib, o: o.SGD([{"params": {*one(lib)}}]), "ordered collections"),
    (lambda lib, o: o.SGD([("a", one(lib)[0]), *one(lib)]), "names are missing"),
    (lambda lib, o: o.SGD(one(lib)).add_param_group({"params": [("a", one(lib)[0])]}), "with/without names"),
    (lambda lib, o: o.SGD(p := one(lib)).add_param_group({"params": p}), "more than one parameter group"),
    (lambda lib, o: o.SGD(one(lib)).add_param_group(one(lib)), "param_group must be a dict, but got list"),
    (lambda lib, o: o.Optimizer(one(lib), {}).step(), "must define step"),
    (lambda lib, o: loaded(lib, o, lambda s: s["param_groups"].clear()), "number of parameter groups: 0"),
    (lambda lib, o: loaded(lib, o, lambda s: s["param_groups"][0]["params"].clear()), "group 0 has 0 parameters"),
    (lambda lib, o: o.SGD(one(lib), nesterov=True), "SGD: Nesterov .* got momentum=0, dampening=0"),
    (lambda lib, o: o.SGD(one(lib), fused=True, foreach=True), "SGD: `fused` and `foreach` cannot"),
    (lambda lib, o: o.Adam(one(lib), fused=True, differentiable=True), "Adam: `fused` does not support"),
    (lambda lib, o: o.Rprop(one(lib), etas=(1.1, 1.2)), r"Rprop: etas must be .* got \(1.1, 1.2\)"),
    (lambda lib, o: o.Adadelta(one(lib), rho=1.5), r"Adadelta: rho must be in \[0, 1\], got 1.5"),
    (lambda lib, o: o.NAdam(one(lib), momentum_decay=-1), "NAdam: momentum_decay must be at least 0, got -1"),
    (lambda lib, o: o.RMSprop(one(lib), alpha=-1), "RMSprop: alpha must be at least 0, got -1"),
    (lambda lib, o: o.Adagrad(one(lib), lr_decay=-1), "Adagrad: lr_decay must be at least 0, got -1"),
    (lambda lib, o: o.Adagrad(one(lib), initial_accumulator_value=-1), "initial_accumulator_value must be at least 0"),
    *(
        (lambda lib, o, kind=kind: getattr(o, kind)(one(lib), lr=-0.5), f"{kind}: lr must be at least 0, got -0.5")
        for kind in GRID
    ),
    *(
        (lambda lib, o, kind=kind: getattr(o, kind)(one(lib), lr="0.1"), f"{kind}: lr must be a number, got str")
        for kind in GRID
    ),
    *(
        (
            lambda lib, o, kind=kind: getattr(o, kind)(one(lib), lr=lib.ones(2)),
            rf"{kind}: lr must be 1-element .* got \(2,\)",
        )
        for kind in GRID
    ),
    *(
        (
            lambda lib, o, kind=kind: getattr(o, kind)(one(lib), weight_decay=-1),
            f"{kind}: weight_decay must be at least 0, got -1",
        )
        for kind in GRID
        if kind != "Rprop"
    ),
    *(
        (
            lambda lib, o, kind=kind, b=b: getattr(o, kind)(one(lib), betas=b),
            rf"{kind}: betas\[{i}\] must be in \[0, 1\), got",
        )
        for kind in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")
        for i, b in enumerate([(1.0, 0.9), (0.9, -0.1)])
    ),
    *(
        (lambda lib, o, kind=kind: getattr(o, kind)(one(lib), eps=-1e-8), f"{kind}: eps must be at least 0, got -1e-08")
        for kind in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta")
    ),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_calls_raise_as_pytorchs_do(call, message):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        call(torch, torch.optim)
    with pytest.raises(theirs.type, match=message) as ours:
        call(autograd, optim)
    assert ours.type is theirs.type


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.SGD([p := tensor([1.0]), p]), ValueError, "twice"),
        (
            lambda: optim.Adam([tensor([1.0])], betas=(0.9,)),
            ValueError,
            r"Adam: betas must be two numbers, got \(0.9,\)",
        ),
        (lambda: optim.AdamW([tensor([1.0])], eps=float("nan")), ValueError, "AdamW: eps must be at least 0, got nan"),
        (lambda: optim.Adam([tensor([1.0])], differentiable=True), NotImplementedError, "Adam: differentiable=True"),
        (lambda: optim.Adam([tensor([1.0])], capturable=True), AssertionError, "Adam: capturable=True"),
        (lambda: optim.Adam([tensor([1.0])], fastest=True), TypeError, "fastest"),
        (
            lambda: stepped(optim.SGD, autograd.float16),
            TypeError,
            "SGD: parameters must be float32 or float64, got float16",
        ),
        (lambda: stepped(optim.SGD, autograd.float32, read_only=True), ValueError, "writeable"),
        (
            lambda: loaded(autograd, optim, lambda s: s["param_groups"][0].update(differentiable=True)),
            NotImplementedError,
            "Adam",
        ),
        (
            lambda: loaded(autograd, optim, lambda s: s["state"].update({0: {"exp_avg": tensor([1.0, 2.0])}})),
            ValueError,
            r"Adam: saved state 'exp_avg' has shape \(2,\), its parameter \(1,\)",
        ),
    ],
)
def test_what_cannot_be_done_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def stepped(kind, dtype, read_only=False):
    w = autograd.ones(2, dtype=dtype, requires_grad=True)
    w.grad = autograd.ones(2, dtype=dtype)
    w.array.flags.writeable = not read_only
    kind([w], lr=0.1).step()


def test_a_failed_load_changes_nothing():
    params = parameters(autograd)
    optimizer = optim.Adam(params, lr=0.1)
    run(autograd, params, optimizer, range(2))
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 7.0
    state["state"][3]["exp_avg"] = tensor([1.0])
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match="exp_avg"):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state_dict()["state"].keys() == before["state"].keys()
    run(autograd, params, optimizer, range(2, 3))
