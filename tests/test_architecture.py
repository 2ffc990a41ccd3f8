"""The house's rules, read from the source: who may import whom, what loads what, how long a module may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rag_lib"
HEAVY = {"torch", "timm", "transformers", "pymilvus", "milvus_lite", "openai", "matplotlib", "FlagEmbedding", "ray"}
ADAPTERS = {"encoders", "collection", "rerank"}
# The pocket reranker reads its evidence with the pocket model, which it loads when it is made.
ALLOWED = {("rag_lib.rerank.pocket", "encoders")}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """[(module that is imported, whether at the top level)]: absolute names, `from a import b` as a and a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(node) for f in ast.walk(tree) if isinstance(f, FUNCTIONS) for node in ast.walk(f)}
    found = []
    for node in ast.walk(tree):
        top = id(node) not in inside
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_name(path).split(".")
                package = package if path.stem == "__init__" else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            found += [(base, top), *((f"{base}.{alias.name}", top) for alias in node.names)]
    return found


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
IMPORTS = {name: imports(path) for name, path in MODULES.items()}


def importers(library):
    return {name for name, found in IMPORTS.items() if any(what.split(".")[0] == library for what, _ in found)}


def part(name):
    """rag_lib.rerank.pocket -> rerank"""
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 and pieces[0] == "rag_lib" else None


def below(name, *parts):
    return part(name) in parts


def test_the_reader_of_imports_sees_every_form(tmp_path):
    source = "import a.b\nfrom c import d\nfrom . import e\nfrom ..f import g\ndef h():\n    import i\n"
    path = PACKAGE / "rerank" / "_never_written.py"
    tree = tmp_path / "x.py"
    tree.write_text(source)

    class Fake(type(path)):
        def read_text(self, **_):
            return source

    found = dict(imports(Fake(path)))
    assert found["a.b"] and found["c.d"] and found["rag_lib.rerank.e"] and found["rag_lib.f.g"]
    assert found["i"] is False


@pytest.mark.parametrize("module", ["rag_lib", "rag_lib.records", "rag_lib.paths"])
def test_a_light_module_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not (HEAVY | {"cv2", "numpy", "PIL"}) & set(result.stdout.split())


def test_heavy_libraries_are_imported_where_they_are_needed():
    """At the top level of a module nothing heavy, but where torch modules are defined, display and training."""
    for name, found in IMPORTS.items():
        heavy = {what.split(".")[0] for what, top in found if top} & HEAVY
        if below(name, "encoders", "training", "evaluation"):
            heavy -= {"torch", "timm", "transformers"}
        if below(name, "display", "app"):
            heavy -= {"matplotlib"}
        assert not heavy, f"{name} imports {heavy} at its top level: move it into the constructor that needs it"


def test_each_heavy_library_has_one_owner():
    assert all(below(name, "collection") for name in (*importers("pymilvus"), *importers("milvus_lite")))
    assert all(below(name, "distributed") for name in importers("ray"))
    assert all(below(name, "rerank") for name in (*importers("openai"), *importers("FlagEmbedding")))
    assert all(below(name, "display", "app", "typeset") for name in importers("matplotlib"))


def test_records_stand_on_the_standard_library():
    for name in ("rag_lib.records", "rag_lib.errors"):
        for what, _ in IMPORTS[name]:
            assert what.split(".")[0] in sys.stdlib_module_names or what.startswith("rag_lib.errors"), what


# From the ground up: a part imports from the floors below it, and from its own room.
FLOORS = (
    {"errors"},
    {"records", "paths"},
    {"images", "typeset", "drawn", "download"},
    {"panorama", "catalog"},
    ADAPTERS,
    {"index"},
    {"evaluation", "training", "distributed"},
    {"ablation", "display"},
    {"run"},
    {"app"},
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}


def test_no_arrow_runs_up():
    """But from a `__main__`: it is where a command begins, above all that the command uses."""
    for name, found in IMPORTS.items():
        if part(name) is None or name.endswith(".__main__"):
            continue
        for what, _ in found:
            other = part(what)
            if other in (None, part(name)) or (name, other) in ALLOWED:
                continue
            assert FLOOR[other] < FLOOR[part(name)], f"{name} imports {what}: move what both need further down"


def test_an_adapter_imports_no_other_adapter():
    for name, found in IMPORTS.items():
        if not below(name, *ADAPTERS):
            continue
        for what, top in found:
            other = part(what)
            if other in ADAPTERS - {part(name)}:
                assert (name, other) in ALLOWED, f"{name} imports {what}"
                assert not top, f"{name} imports {what} at its top level: that one is lazy"


def test_encoders_know_nothing_of_the_world_that_a_model_was_trained_on():
    """What the pocket was taught lies beside its weights."""
    for name, found in IMPORTS.items():
        if below(name, "encoders"):
            assert not {part(what) for what, _ in found} & {"drawn", "training"}, name


def test_nothing_imports_a_notebook_or_a_test():
    for name, found in IMPORTS.items():
        for what, _ in found:
            assert what.split(".")[0] not in ("notebooks", "tests", "conftest"), f"{name} imports {what}"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short_and_says_what_it_is(name):
    text = MODULES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250, "split it"
    assert ast.get_docstring(ast.parse(text)), "open it with a docstring: what goes in, what comes out"
