"""Rules of the house that no tool checks: who imports whom, what is named how, what lies where."""

import ast
import io
import re
import subprocess
import tokenize
from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
APPS = ("tracking", "ingest", "resilience")
CODE = sorted(path.relative_to(PROJECT) for app in APPS for path in (PROJECT / app).rglob("*.py"))
TESTS = sorted(path.relative_to(PROJECT) for path in (PROJECT / "tests").rglob("*.py"))
# resilience < tracking < ingest: who is lower imports nobody above.
FORBIDDEN_IMPORTS = {"resilience": {"ingest", "tracking"}, "tracking": {"ingest"}, "ingest": set[str]()}
# The project package wires the apps together.
WIRING = {Path("tracking/settings.py"), Path("tracking/urls.py"), Path("tracking/wsgi.py")}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "services", "service", "manager", "managers", "common", "misc"}
ROOT = {
    "manage.py", "tracking", "ingest", "resilience", "tests", "requirements.txt", "docker-compose.yml", "README.md",
    "Makefile", "pyproject.toml", "Dockerfile", "CHANGELOG.md",
}  # fmt: skip


def tree(path: Path) -> ast.Module:
    return ast.parse((PROJECT / path).read_text(), str(path))


def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports, at its head or anywhere inside."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_rules_see_the_code() -> None:
    assert {path.parts[0] for path in CODE} == set(APPS)
    assert {"django", "tracking"} <= imports(Path("tracking/management/commands/up.py"))


def test_no_arrow_between_the_apps_runs_back() -> None:
    forbidden = {path: imports(path) & (FORBIDDEN_IMPORTS[path.parts[0]] | {"tests"}) for path in CODE}
    assert {path: found for path, found in forbidden.items() if found and path not in WIRING} == {}


MODULES = {
    ".".join(path.with_suffix("").parts).removesuffix(".__init__"): path
    for path in CODE
    if "migrations" not in path.parts
}
FILES_PER_ROOM = 14
# Imports that only a type checker follows; each needs a reason.
TYPE_CHECKING_ALLOWED = {
    Path("tracking/api/common/throttles.py"): "rest_framework.views imports it through the settings"
}


def room(module: str) -> str:
    """The folder of a module; a module beside an app's apps.py, and a command, is a room of its own."""
    folder = MODULES[module].parent
    return module if len(folder.parts) == 1 or "management" in folder.parts else ".".join(folder.parts)


def arrows() -> dict[str, dict[str, tuple[str, str]]]:
    """Which rooms import which others, each with one example; imports inside functions included."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for module, path in MODULES.items():
        for node in ast.walk(tree(path)):
            for target in imported_modules(node):
                if target in MODULES and room(target) != room(module):
                    found.setdefault(room(module), {})[room(target)] = (module, target)
    return found


def imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else node.module for name in names]
    return []


def test_no_two_rooms_import_each_other_by_any_way_round() -> None:
    graph = arrows()
    assert len(graph) > 30
    order: list[str] = []
    on_the_way: list[str] = []

    def visit(name: str) -> None:
        assert name not in on_the_way, [*on_the_way[on_the_way.index(name) :], name]
        if name in order:
            return
        on_the_way.append(name)
        for other in graph.get(name, {}):
            visit(other)
        order.append(on_the_way.pop())

    for name in graph:
        visit(name)


def test_no_room_is_crowded() -> None:
    rooms = Counter(path.parent for path in CODE if "migrations" not in path.parts)
    assert {path: files for path, files in rooms.items() if files > FILES_PER_ROOM} == {}


def test_no_import_is_hidden_from_the_rules() -> None:
    hidden = {path for path in CODE if "TYPE_CHECKING" in (PROJECT / path).read_text()}
    assert hidden == set(TYPE_CHECKING_ALLOWED)


def test_decode_fuse_and_store_are_called_by_the_pipeline_alone() -> None:
    """Whoever needs them names them as stages to `process`; only their own rooms call them."""
    calls = [
        (path, node.func.id)
        for path in CODE
        if path.parts[:2] not in {("ingest", "stages"), ("ingest", "formats")}
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"fuse", "store", "book"}
    ]
    assert calls == []


def test_every_command_has_a_test_that_names_it() -> None:
    commands = {path.stem for path in CODE if path.parent.name == "commands" and path.stem != "__init__"}
    named = {
        node.value
        for path in TESTS
        if path.name != Path(__file__).name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert commands
    assert commands - named == set()


def test_a_module_is_named_for_what_it_holds() -> None:
    assert [path for path in CODE if path.stem in VAGUE_NAMES and path.parent.name != "commands"] == []


def test_a_module_says_what_it_is_for() -> None:
    silent = [path for path in CODE if path.parent.name != "migrations" and not ast.get_docstring(tree(path))]
    assert [path for path in silent if (PROJECT / path).read_text().strip()] == []


def comments(path: Path) -> list[str]:
    with (PROJECT / path).open("rb") as file:
        return [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [(path, text) for path in CODE + TESTS for text in comments(path) if marks.search(text)] == []


def test_no_error_is_swallowed_unseen() -> None:
    those = [path for path in CODE + TESTS if "except" in (PROJECT / path).read_text()]
    handlers = [(path, node) for path in those for node in ast.walk(tree(path))]
    assert [
        (path, node.lineno) for path, node in handlers if isinstance(node, ast.ExceptHandler) and swallows(node)
    ] == []


def swallows(handler: ast.ExceptHandler) -> bool:
    """A bare `except:`, or one that does nothing: `contextlib.suppress` says that in the open."""
    return handler.type is None or all(isinstance(node, ast.Pass) for node in handler.body)


def test_the_root_holds_only_what_everybody_expects() -> None:
    listing = ["git", "-C", str(PROJECT), "ls-files", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(listing, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout")
    entries = {line.partition("/")[0] for line in result.stdout.splitlines() if (PROJECT / line).exists()}
    assert {entry for entry in entries if not entry.startswith(".")} <= ROOT


def test_every_requirement_is_pinned_and_has_its_reason() -> None:
    for line in io.StringIO((PROJECT / "requirements.txt").read_text()):
        requirement, _, reason = line.rstrip("\n").partition("  # ")
        if requirement and not requirement.startswith("#"):
            assert re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+( ; .+)?", requirement), line
            assert len(reason) > 5, line
