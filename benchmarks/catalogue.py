"""All cases, and their selection by the beginning of their names."""

from functools import cache

from benchmarks import (
    attention_cases,
    conv_cases,
    data_cases,
    func_cases,
    memory_bound_cases,
    model_cases,
    overhead_cases,
    process_cases,
    product_cases,
    recurrent_cases,
    scaling_cases,
    tensor_cases,
    update_cases,
)
from benchmarks.case import Case


@cache
def catalogue() -> dict[str, Case]:
    """Return all cases by name, in the order in which they are measured."""
    kernels = (product_cases, conv_cases, attention_cases, recurrent_cases, memory_bound_cases)
    families = (
        *kernels,
        tensor_cases,
        update_cases,
        data_cases,
        func_cases,
        model_cases,
        overhead_cases,
        process_cases,
        scaling_cases,
    )
    return {case.name: case for family in families for case in family.cases()}


def find(name: str) -> Case:
    """Return the case with this name."""
    return catalogue()[name]


def select(prefixes: list[str]) -> list[Case]:
    """Return the cases whose names begin with one of the prefixes, all for none."""
    known = catalogue()
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in known):
            groups = ", ".join(dict.fromkeys(case.group for case in known.values()))
            raise SystemExit(f"benchmarks: nothing begins with {prefix!r}; there are {groups}")
    return [case for case in known.values() if not prefixes or case.name.startswith(tuple(prefixes))]
