"""Wrong calls that depend on what came before: gradients, graphs, modules, optimisers, data."""

from typing import Any

from tests.wrong_calls.row import Wrong

ROWS: list[Wrong] = []


def wrong(who: str, got: str, expected: str) -> Any:
    """Make a row of a function of (torch, F, nn)."""

    def decorate(call: Any) -> Any:
        ROWS.append(Wrong(who, got, expected, call))
        return call

    return decorate


# -- backward ---------------------------------------------------------------------------------------------------------


@wrong("backward", "(2,)", "scalar")
def not_a_scalar(t, F, nn):
    (t.ones(2, requires_grad=True) * 2).backward()


@wrong("backward", "", "does not require grad")
def nothing_requires_grad(t, F, nn):
    t.ones(1).sum().backward()


@wrong("mul", "second time", "retain_graph=True")
def backward_twice(t, F, nn):
    y = (t.ones(2, requires_grad=True) ** 2).sum() * t.ones(1, requires_grad=True)
    y.backward()
    y.backward()


@wrong("mul", "second time", "retain_graph=True")
def shared_graph_twice(t, F, nn):
    x = t.ones(2, requires_grad=True)
    shared = x * x
    shared.sum().backward()
    (shared * 2).sum().backward()


@wrong("backward", "", "does not require grad")
def under_no_grad(t, F, nn):
    x = t.ones(1, requires_grad=True)
    with t.no_grad():
        y = x * 2
    y.backward()


@wrong("backward", "", "does not require grad")
def detached(t, F, nn):
    t.ones(1, requires_grad=True).detach().sum().backward()


@wrong("backward", "(3,)", "(2,)")
def gradient_of_another_shape(t, F, nn):
    (t.ones(2, requires_grad=True) * 2).backward(t.ones(3))


@wrong("backward", "empty", "inputs")
def no_inputs(t, F, nn):
    t.ones(1, requires_grad=True).sum().backward(inputs=[])


@wrong("grad", "input 0", "does not require grad")
def grad_of_a_constant(t, F, nn):
    t.autograd.grad(t.ones(1, requires_grad=True).sum(), t.ones(1))


@wrong("grad", "input 0", "allow_unused=True")
def grad_of_an_unused_input(t, F, nn):
    t.autograd.grad(t.ones(1, requires_grad=True).sum(), t.ones(1, requires_grad=True))


@wrong("grad", "does not require grad", "")
def grad_without_create_graph(t, F, nn):
    x = t.ones(1, requires_grad=True)
    (g,) = t.autograd.grad((x * x).sum(), x)
    t.autograd.grad(g.sum(), x)


@wrong("requires_grad", "int64", "floating")
def integers_require_grad(t, F, nn):
    t.ones(2).long().requires_grad_()


@wrong("tensor", "int64", "floating")
def integer_tensor_requires_grad(t, F, nn):
    t.tensor([1, 2], requires_grad=True)


@wrong("requires_grad", "leaf", "detach")
def computed_values_require_none(t, F, nn):
    (t.ones(2, requires_grad=True) * 2).requires_grad_(False)


@wrong("add_", "leaf", "in-place")
def leaf_in_place(t, F, nn):
    t.ones(2, requires_grad=True).add_(1)


@wrong("setitem", "leaf", "in-place")
def leaf_assigned(t, F, nn):
    t.ones(2, requires_grad=True)[0] = 1.0


@wrong("mul_", "view of a leaf", "in-place")
def view_of_a_leaf_in_place(t, F, nn):
    t.ones(2, requires_grad=True)[:1].mul_(2)


@wrong("exp", "version 1", "version 0")
def saved_output_changed(t, F, nn):
    y = t.ones(2, requires_grad=True).exp()
    y.mul_(2)
    y.sum().backward()


@wrong("mul", "version 1", "version 0")
def saved_input_changed(t, F, nn):
    x, w = t.ones(2), t.ones(2, requires_grad=True)
    y = x * w
    x.add_(1)
    y.sum().backward()


@wrong("linear", "version 2", "version 1")
def weight_changed_before_backward(t, F, nn):
    layer = nn.Linear(2, 2)
    y = layer(t.ones(1, 2, requires_grad=True))
    with t.no_grad():
        layer.weight.mul_(2)
    y.sum().backward()


@wrong("add_", "single memory location", "clone()")
def expanded_in_place(t, F, nn):
    t.zeros(1).expand(3).add_(1)


@wrong("detach_", "view", "detach()")
def detach_a_view(t, F, nn):
    (t.ones(2, requires_grad=True) * 1)[:1].detach_()


@wrong("numpy", "requires grad", "detach().numpy()")
def numpy_of_a_parameter(t, F, nn):
    t.ones(2, requires_grad=True).numpy()


@wrong("grad", "Size([3])", "Size([2])")
def assigned_gradient_of_another_shape(t, F, nn):
    t.ones(2, requires_grad=True).grad = t.ones(3)


@wrong("grad", "float64", "float32")
def assigned_gradient_of_another_type(t, F, nn):
    t.ones(2, requires_grad=True).grad = t.ones(2, dtype=t.float64)


@wrong("grad", "int", "Tensor")
def assigned_gradient_is_a_number(t, F, nn):
    t.ones(2, requires_grad=True).grad = 3


@wrong("retain_grad", "retain_grad", "require")
def retain_grad_of_a_constant(t, F, nn):
    t.ones(2).retain_grad()


@wrong("hook", "register", "gradient")
def hook_on_a_constant(t, F, nn):
    t.ones(2).register_hook(print)


@wrong("hook", "", "")
def hook_returns_another_shape(t, F, nn):
    x = t.ones(2, requires_grad=True)
    x.register_hook(lambda grad: t.ones(3))
    x.sum().backward()


@wrong("data", "int", "Tensor")
def data_is_a_number(t, F, nn):
    t.ones(2).data = 3


# -- custom functions -------------------------------------------------------------------------------------------------


def function(t, forward=None, backward=None):
    class Custom(t.autograd.Function):
        pass

    if forward is not None:
        Custom.forward = staticmethod(forward)
    if backward is not None:
        Custom.backward = staticmethod(backward)
    return Custom


@wrong("Custom", "2", "1")
def too_many_gradients(t, F, nn):
    function(t, lambda ctx, x: x * 2, lambda ctx, g: (g, g)).apply(t.ones(2, requires_grad=True)).sum().backward()


@wrong("backward", "(3,)", "(2,)")
def gradient_of_a_wrong_shape(t, F, nn):
    function(t, lambda ctx, x: x * 2, lambda ctx, g: t.ones(3)).apply(t.ones(2, requires_grad=True)).sum().backward()


@wrong("Custom", "int", "Tensor")
def gradient_is_a_number(t, F, nn):
    function(t, lambda ctx, x: x * 2, lambda ctx, g: 3).apply(t.ones(2, requires_grad=True)).sum().backward()


@wrong("forward", "", "implement")
def no_forward(t, F, nn):
    function(t).apply(t.ones(2))


@wrong("backward", "", "implement")
def no_backward(t, F, nn):
    function(t, lambda ctx, x: x * 2).apply(t.ones(2, requires_grad=True)).sum().backward()


@wrong("Custom", "", "apply")
def instance_of_a_function(t, F, nn):
    function(t, lambda ctx, x: x * 2)()(t.ones(2))


# -- modules ----------------------------------------------------------------------------------------------------------


@wrong("cannot assign module", "", "Module.__init__()")
def assigned_before_init(t, F, nn):
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    Net()


@wrong("cannot assign parameter", "", "Module.__init__()")
def parameter_before_init(t, F, nn):
    class Net(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(t.ones(1))

    Net()


@wrong("weight", "Tensor", "Parameter")
def tensor_as_parameter(t, F, nn):
    nn.Linear(2, 2).weight = t.ones(2, 2)


@wrong("add_module", "int", "Module")
def number_as_module(t, F, nn):
    nn.Sequential(3)


@wrong("add_module", "str", "Module")
def list_of_strings(t, F, nn):
    nn.ModuleList(["a"])


@wrong("ModuleList", "", "forward")
def calling_a_list(t, F, nn):
    nn.ModuleList([nn.ReLU()])(t.ones(1))


@wrong("Net", "", "forward")
def no_forward_method(t, F, nn):
    class Net(nn.Module):
        pass

    Net()(t.ones(1))


@wrong("Linear", "wieght", "")
def misspelt_attribute(t, F, nn):
    return nn.Linear(1, 1).wieght


@wrong("forward", "2", "")
def too_many_arguments(t, F, nn):
    nn.ReLU()(t.ones(1), t.ones(1))


@wrong("forward", "input", "")
def no_argument(t, F, nn):
    nn.Linear(1, 1)()


@wrong("__init__", "unit", "")
def unknown_option(t, F, nn):
    nn.Linear(1, 1, unit=3)


@wrong("__init__", "out_features", "")
def missing_option(t, F, nn):
    nn.Linear(1)


@wrong("negative dimension", "-1", "")
def negative_features(t, F, nn):
    nn.Linear(-1, 2)


@wrong("empty", "'3'", "ints")
def features_as_text(t, F, nn):
    nn.Linear("3", 2)


@wrong("Conv2d", "3", "groups")
def channels_not_divisible(t, F, nn):
    nn.Conv2d(3, 4, 3, groups=2)


@wrong("Conv2d", "'mirror'", "'zeros'")
def padding_mode(t, F, nn):
    nn.Conv2d(3, 4, 3, padding_mode="mirror")


@wrong("Conv2d", "'half'", "'same'")
def padding_text(t, F, nn):
    nn.Conv2d(3, 4, 3, padding="half")


@wrong("Conv2d", "0", "groups")
def no_groups(t, F, nn):
    nn.Conv2d(3, 4, 3, groups=0)


@wrong("dropout", "-0.1", "between 0 and 1")
def dropout_probability(t, F, nn):
    nn.Dropout(-0.1)


@wrong("num_channels", "5", "divisible")
def groups_of_channels(t, F, nn):
    nn.GroupNorm(2, 5)


@wrong("BatchNorm1d", "4", "2D or 3D")
def batch_norm_of_images(t, F, nn):
    nn.BatchNorm1d(3)(t.zeros(1, 3, 2, 2))


@wrong("BatchNorm2d", "2", "4D")
def batch_norm_of_vectors(t, F, nn):
    nn.BatchNorm2d(3)(t.zeros(1, 3))


@wrong("BatchNorm1d", "4", "3")
def batch_norm_channels(t, F, nn):
    nn.BatchNorm1d(3)(t.zeros(2, 4))


@wrong("Embedding", "7", "5")
def padding_index(t, F, nn):
    nn.Embedding(5, 2, padding_idx=7)


@wrong("0.1 (Linear)", "4", "3")
def wrong_width_inside(t, F, nn):
    nn.Sequential(nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))(t.zeros(1, 4))


@wrong("Linear", "Missing key", '"bias"')
def missing_key(t, F, nn):
    nn.Linear(1, 1).load_state_dict({"weight": t.ones(1, 1)})


@wrong("Linear", "Unexpected key", '"scale"')
def unexpected_key(t, F, nn):
    nn.Linear(1, 1).load_state_dict({"weight": t.ones(1, 1), "bias": t.ones(1), "scale": t.ones(1)})


@wrong("Linear", "[1, 2]", "[1, 1]")
def another_shape(t, F, nn):
    nn.Linear(1, 1).load_state_dict({"weight": t.ones(1, 2), "bias": t.ones(1)})


@wrong("state_dict", "list", "dict")
def state_is_a_list(t, F, nn):
    nn.Linear(1, 1).load_state_dict([t.ones(1)])


@wrong("buffer", "int", "Tensor")
def buffer_is_a_number(t, F, nn):
    nn.Module().register_buffer("b", 3)


@wrong("parameter", "a.b", "")
def dotted_name(t, F, nn):
    nn.Module().register_parameter("a.b", nn.Parameter(t.ones(1)))


@wrong("train", "", "bool")
def train_mode(t, F, nn):
    nn.Module().train("yes")


@wrong("Sequential", "1", "")
def missing_submodule(t, F, nn):
    nn.Sequential(nn.ReLU()).get_submodule("1")


@wrong("index", "3", "1")
def sequential_index(t, F, nn):
    nn.Sequential(nn.ReLU())[3]


@wrong("to", "int64", "floating")
def module_to_integers(t, F, nn):
    nn.Linear(1, 1).to(t.int64)


@wrong("requires_grad", "int64", "floating")
def parameter_of_integers(t, F, nn):
    nn.Parameter(t.ones(1).long())


@wrong("Flatten", "5", "[-2, 1]")
def flatten_dims(t, F, nn):
    nn.Flatten(5)(t.zeros(2, 2))


@wrong("Unflatten", "", "")
def unflatten_sizes(t, F, nn):
    nn.Unflatten(1, (2, 2))(t.zeros(1, 5))


@wrong("a", "", "")
def missing_name(t, F, nn):
    nn.ModuleDict()["a"]


@wrong("ReLU", "int", "callable")
def hook_is_no_function(t, F, nn):
    layer = nn.ReLU()
    layer.register_forward_pre_hook(3)
    layer(t.ones(1))


# -- initialisers -----------------------------------------------------------------------------------------------------


@wrong("Fan in", "[3]", "2")
def xavier_of_a_vector(t, F, nn):
    nn.init.xavier_uniform_(t.zeros(3))


@wrong("Mode", "fan_middle", "fan_in")
def fan_mode(t, F, nn):
    nn.init.kaiming_normal_(t.zeros(3, 3), mode="fan_middle")


@wrong("calculate_gain", "swish", "")
def gain(t, F, nn):
    nn.init.calculate_gain("swish")


@wrong("eye_", "[3]", "2")
def eye(t, F, nn):
    nn.init.eye_(t.zeros(3))


@wrong("orthogonal_", "[3]", "2")
def orthogonal(t, F, nn):
    nn.init.orthogonal_(t.zeros(3))


@wrong("dirac_", "[3, 3]", "3")
def dirac(t, F, nn):
    nn.init.dirac_(t.zeros(3, 3))


@wrong("sparse_", "3", "2")
def sparse(t, F, nn):
    nn.init.sparse_(t.zeros(3, 3, 3), 0.1)


@wrong("normal_", "-1", "0")
def negative_spread(t, F, nn):
    nn.init.normal_(t.zeros(3), std=-1)


@wrong("uniform_", "1", "0")
def empty_range(t, F, nn):
    nn.init.uniform_(t.zeros(3), 1, 0)


# -- optimisers -------------------------------------------------------------------------------------------------------


def parameter(t, nn):
    return nn.Parameter(t.ones(2))


@wrong("optimizer", "empty", "parameter")
def no_parameters(t, F, nn):
    nn.optim.SGD([], lr=0.1)


@wrong("params", "Tensor", "iterable")
def parameters_are_a_tensor(t, F, nn):
    nn.optim.SGD(parameter(t, nn), lr=0.1)


@wrong("optimizer", "int", "Tensor")
def parameters_are_numbers(t, F, nn):
    nn.optim.SGD([3], lr=0.1)


@wrong("SGD", "-0.1", "0")
def negative_rate(t, F, nn):
    nn.optim.SGD([parameter(t, nn)], lr=-0.1)


@wrong("SGD", "-0.5", "0")
def negative_momentum(t, F, nn):
    nn.optim.SGD([parameter(t, nn)], lr=0.1, momentum=-0.5)


@wrong("Nesterov", "", "momentum")
def nesterov(t, F, nn):
    nn.optim.SGD([parameter(t, nn)], lr=0.1, nesterov=True)


@wrong("Adam", "1.0", "[0, 1)")
def betas(t, F, nn):
    nn.optim.Adam([parameter(t, nn)], betas=(0.9, 1.0))


@wrong("Adam", "-1", "0")
def eps(t, F, nn):
    nn.optim.Adam([parameter(t, nn)], eps=-1)


@wrong("Adam", "-1", "0")
def weight_decay(t, F, nn):
    nn.optim.Adam([parameter(t, nn)], weight_decay=-1)


@wrong("AdamW", "-1", "0")
def adamw_rate(t, F, nn):
    nn.optim.AdamW([parameter(t, nn)], lr=-1)


@wrong("RMSprop", "-1", "0")
def alpha(t, F, nn):
    nn.optim.RMSprop([parameter(t, nn)], alpha=-1)


@wrong("Adagrad", "-1", "0")
def lr_decay(t, F, nn):
    nn.optim.Adagrad([parameter(t, nn)], lr_decay=-1)


@wrong("optimize", "non-leaf", "")
def computed_parameter(t, F, nn):
    nn.optim.SGD([parameter(t, nn) * 2], lr=0.1)


@wrong("parameter", "more than one", "group")
def parameter_in_two_groups(t, F, nn):
    p = parameter(t, nn)
    nn.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)


@wrong("param_group", "list", "dict")
def group_is_a_list(t, F, nn):
    nn.optim.SGD([parameter(t, nn)], lr=0.1).add_param_group([parameter(t, nn)])


@wrong("SGD", "rate", "")
def unknown_optimiser_option(t, F, nn):
    nn.optim.SGD([parameter(t, nn)], rate=0.1)


@wrong("state dict", "1", "2")
def state_of_other_groups(t, F, nn):
    one = nn.optim.SGD([parameter(t, nn)], lr=0.1)
    two = nn.optim.SGD([{"params": [parameter(t, nn)]}, {"params": [parameter(t, nn)]}], lr=0.1)
    two.load_state_dict(one.state_dict())


@wrong("state dict", "1", "2")
def state_of_fewer_parameters(t, F, nn):
    one = nn.optim.SGD([parameter(t, nn)], lr=0.1)
    nn.optim.SGD([parameter(t, nn), parameter(t, nn)], lr=0.1).load_state_dict(one.state_dict())


@wrong("lr_lambdas", "2", "1")
def number_of_lambdas(t, F, nn):
    nn.optim.lr_scheduler.LambdaLR(nn.optim.SGD([parameter(t, nn)], lr=0.1), [float, float])


@wrong("Optimizer", "int", "not")
def schedule_of_no_optimiser(t, F, nn):
    nn.optim.lr_scheduler.StepLR(3, 1)


@wrong("clip_grad_norm_", "nan", "error_if_nonfinite")
def gradient_norm(t, F, nn):
    p = parameter(t, nn)
    p.grad = t.full((2,), t.nan)
    nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)


@wrong("Tensor", "list", "Tensor")
def vector(t, F, nn):
    nn.utils.vector_to_parameters([1.0], [parameter(t, nn)])
