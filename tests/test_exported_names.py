"""`__all__` of every module is true: its names exist, and others take no name that it does not hold."""

import ast
import importlib
import types

import pytest
from source_tree import imports, trees

import efficientfan


def exported(tree: ast.Module) -> list[str] | None:
    """The names in a module's `__all__`, or None where it has none."""
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])  # of `=`, and of `: list[str] =`
        if any(getattr(target, "id", "") == "__all__" for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            return list(ast.literal_eval(node.value))
    return None


MODULES = {name: exported(tree) for name, tree in trees().items()}


def test_every_module_but_empty_packages_says_what_it_exports():
    bare = [name for name, names in MODULES.items() if names is None and len(trees()[name].body) > 1]
    assert bare == []


@pytest.mark.parametrize("name", [name for name, names in MODULES.items() if names])
def test_exported_names_exist_and_are_no_modules(name):
    module = importlib.import_module(name)
    names = MODULES[name]
    assert len(set(names)) == len(names)
    for each in names:
        assert not isinstance(getattr(module, each), types.ModuleType), each


@pytest.mark.parametrize("name", [name for name, names in MODULES.items() if names])
def test_names_are_exported_from_their_home_or_its_package(name):
    module = importlib.import_module(name)
    for each in MODULES[name]:
        home = getattr(getattr(module, each), "__module__", name)
        if home.startswith("efficientfan") and home != name:
            assert hasattr(module, "__path__"), f"{name} exports {each}, which is at home in {home}"


def test_a_name_has_one_home():
    homes: dict[str, set[str]] = {}
    for name, names in MODULES.items():
        for node in trees()[name].body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in (names or ()):
                homes.setdefault(node.name, set()).add(name)
    del homes["main"]  # where a process starts
    doubled = {name: sorted(modules) for name, modules in homes.items() if len(modules) > 1}
    assert doubled == {}


def folder_of(module: str) -> str:
    return module.rpartition(".")[0]


def test_nobody_outside_its_folder_imports_what_is_not_exported():
    strangers = [
        f"{each}: {name}"
        for each in imports()
        for name in each.names
        if name not in (MODULES[each.target] or ()) and folder_of(each.module) != folder_of(each.target)
    ]
    assert strangers == []


def test_lazy_names_resolve():
    for name in efficientfan.__all__:
        assert getattr(efficientfan, name) is not None
    assert set(efficientfan.__all__) <= set(dir(efficientfan))
