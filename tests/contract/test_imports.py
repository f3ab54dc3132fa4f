"""Who may import whom: the arrows of the architecture only go down."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
WEB = {"gradio", "plotly", "gradio_client"}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the full name of what is imported"
            yield node.module or ""


@cache
def roots(path: Path) -> frozenset[str]:
    return frozenset({name.partition(".")[0] for name in imports(path)})


def test_the_library_never_imports_the_web_interface():
    wrong = {str(p): found for p in sources("merger") if (found := roots(p) & (WEB | {"viz"}))}
    assert not wrong


def test_figures_import_neither_the_web_interface_nor_torch():
    forbidden = WEB | {"torch", "transformers"}
    wrong = {str(p): found for p in sources("viz/figures") if (found := roots(p) & forbidden)}
    assert not wrong


def test_methods_import_the_grammar_the_algebra_and_lazy_torch_only():
    allowed = {"merger.spec", "merger.algebra", "merger.lazy", "merger.knobs", "typing"}
    allowed |= {"merger.notices"}
    allowed |= {"merger.errors", "merger.masks", "merger.places", "merger.spaces"}
    allowed |= {
        "merger.filters",
        "merger.grams",
        "merger.spectral",
        "merger.sums",
        "merger.threads",
        "merger.unified",
    }
    allowed |= {"math", "collections.abc", "__future__"}
    wrong = {
        path.name: found
        for path in sources("merger/methods")
        if path.name != "__init__.py" and (found := set(imports(path)) - allowed)
    }
    assert not wrong


def test_methods_never_import_each_other():
    for path in sources("merger/methods"):
        assert not [name for name in imports(path) if name.startswith("merger.methods")], path


def test_nothing_unpickles():
    forbidden = {"pickle", "marshal", "shelve", "dill", "joblib"}
    files = [*sources("merger"), *sources("viz")]
    wrong = {str(path): found for path in files if (found := roots(path) & forbidden)}
    assert not wrong


def test_nothing_calls_eval_or_exec_on_text():
    for path in [*sources("merger"), *sources("viz")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func.id if _is_plain_call(node) else ""  # type: ignore[attr-defined]
            assert called not in ("eval", "exec", "compile", "__import__"), f"{path}: {called}"


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
