"""Laws of the package as a whole."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archsieve
from archsieve.registry import BENCHMARKS, SPACES

SOURCE = Path(archsieve.__file__).parent
BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Blocker())
"""


def python(program, *arguments):
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_importing_the_package_does_not_import_torch():
    program = (
        "import sys, archsieve; print([m for m in ('torch', 'scipy.stats', 'ray', 'sklearn') if m in sys.modules])"
    )
    assert python(program).stdout == "[]\n"


def test_importing_the_package_imports_none_of_its_modules():
    program = "import sys, archsieve; print([m for m in sys.modules if m.startswith(('archsieve', 'numpy'))])"
    assert python(program).stdout == "['archsieve']\n"


def test_every_public_name_is_listed_once_and_shown():
    assert sorted([*archsieve._HOMES, "__version__"]) == sorted(archsieve.__all__)
    assert set(archsieve.__all__) <= set(dir(archsieve))


def test_listing_does_not_import_torch():
    program = (
        "import sys; from typer.testing import CliRunner; from archsieve.cli import app\n"
        "print(CliRunner().invoke(app, ['list']).exit_code, 'torch' in sys.modules)"
    )
    assert python(program).stdout == "0 False\n"


@pytest.mark.parametrize("name", archsieve.__all__)
def test_what_is_public_can_be_imported(name):
    assert getattr(archsieve, name) is not None
    assert getattr(__import__("archsieve", fromlist=[name]), name) is getattr(archsieve, name)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'archsieve' has no attribute 'sieve'"):
        _ = archsieve.sieve


def code_of(path):
    """Names and texts of a module's code; docstrings, which may give examples, are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name


def test_no_code_outside_the_catalogues_knows_a_space():
    shipped = {name: SPACES[name] for name in SPACES if SPACES[name].__module__.startswith("archsieve.")}
    names = {*shipped, *(s.__name__ for s in shipped.values()), *(s.__module__ for s in shipped.values())}
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in sorted(names)), re.IGNORECASE)
    homes = {SOURCE / folder for folder in ("spaces", "benchmarks", "plans")}
    files = [path for path in SOURCE.rglob("*.py") if homes.isdisjoint(path.parents)]
    assert len(files) > 30
    found = {(str(path.relative_to(SOURCE)), text) for path in files for text in code_of(path) if pattern.search(text)}
    assert found == set()
    assert any(pattern.search(text) for text in code_of(SOURCE / "spaces" / "__init__.py"))  # the search does find


@pytest.mark.parametrize(
    ("benchmark", "expected"),
    [
        ("nasbench201-analog", {"params": (0.5676, 0.00832), "macs": (0.5676, 0.00832)}),
        pytest.param(
            "nasbench-macro-cifar10", {"params": (0.2176, 0.2588), "macs": (0.5560, 0.0198)}, marks=pytest.mark.data
        ),
    ],
)
def test_costs_can_be_measured_where_torch_is_not_installed(benchmark, expected):
    recipe = BENCHMARKS[benchmark]
    if not recipe.is_present():
        pytest.skip(f"{recipe.source.file} is not there: see `archsieve data`")
    program = BLOCK + "from archsieve.cli import main; main()"
    done = python(program, "measure", recipe.space.name, "--benchmark", benchmark, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {row["estimator"]: (row["tau"], row["mkr"]) for row in json.loads(done.stdout)}
    assert -0.05 < found.pop("chance")[0] < 0.05
    assert found == {
        name: (pytest.approx(tau, abs=5e-5), pytest.approx(mkr, abs=5e-5)) for name, (tau, mkr) in expected.items()
    }


def test_what_needs_torch_says_so_where_it_is_not_installed():
    program = "import sys; sys.modules['torch'] = None; from archsieve.cli import main; main()"
    done = python(program, "score", "nasbench-macro", "0" * 8, "--proxy", "nwot", "--recompute")
    assert (done.returncode, done.stdout) == (1, "")
    *_, note, error = done.stderr.splitlines()  # before them a note, if the pictures are not here
    assert note.startswith("Task: cifar10")
    assert error == "Error: This needs the package 'torch', which is not installed: pip install 'archsieve[torch]'."


def test_scores_of_the_shipped_tables_need_no_torch():
    program = "import sys; sys.modules['torch'] = None; from archsieve.cli import main; main()"
    done = python(program, "score", "nasbench-macro", "0" * 8, "--proxy", "nwot", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["nwot"] > 0


def test_measuring_what_the_shipped_tables_hold_does_not_import_torch():
    program = (
        "import sys; from typer.testing import CliRunner; from archsieve.cli import app\n"
        "arguments = ['measure', 'nasbench-macro', '--benchmark', 'nasbench-macro-digits', '--proxy', 'nwot']\n"
        "done = CliRunner().invoke(app, arguments)\n"
        "print(done.exit_code, [name for name in ('torch', 'sklearn') if name in sys.modules])"
    )
    assert python(program).stdout == "0 []\n"


def test_every_module_can_be_imported_alone():
    names = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCE.glob("*.py")
    ]
    program = (
        "import os, sys\n"
        "for name in sys.argv[1:]:\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        __import__(name); os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0, name\n"
    )
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    done = python(program, *names)
    assert (done.returncode, done.stderr) == (0, "")
