"""Peak resident memory of the training steps, and the time from a process's start to the end of its first step."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import model_cases
from benchmarks.case import Case


def cases() -> Iterator[Case]:
    """Yield the memory of every training step, then start-up."""
    models = {case.name: case for case in model_cases.cases()}
    for name, case in models.items():
        if name.startswith("models/train/"):
            yield replace(case, name=name.replace("models/train", "memory/train"), kind="memory", jax="")
    lenet, resnet = models["models/train/lenet5-b32"], models["models/train/resnet18-b32"]
    yield Case("startup/import", lenet.build, "import of the library", kind="import")
    for kind, what in (("warm", "kernels compiled before"), ("cold", "with an empty kernel cache")):
        for model, case in (("lenet5", lenet), ("resnet18", resnet)):
            what = f"start of the process to the end of {model}'s first training step, {what}"
            yield Case(f"startup/{kind}/{model}", case.build, what, case.features, case.tolerance, kind=kind)
    yield Case("startup/compile", lenet.build, "compiling each kernel", kind="compile")
