"""Registries: near misses, lazy entries, names taken."""

import importlib
import pickle
import sys
from functools import partial

import pytest

from archsieve.cli.catalogue import CATALOGUES
from archsieve.errors import UnknownNameError
from archsieve.fingerprints import fingerprint
from archsieve.plans.parts import make
from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS, Registry, listed, near_miss
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from plugins.shipped import shipped

pytest_plugins = ["plugins.fixtures"]


def test_near_miss_or_the_list():
    assert near_miss("zne", ["nwot", "zen"]) == " Did you mean 'zen'?"
    assert near_miss("qqq", ["zen", "nwot"]) == " Known: nwot, zen."
    assert near_miss("qqq", []) == " None is known."


MANY = [f"plan-{number}" for number in range(45)]


@pytest.mark.parametrize(
    ("name", "command", "sentence"),
    [
        ("plna-7", "archsieve list plans", " Did you mean 'plan-7'?"),
        ("run", "archsieve list plans", "; `archsieve list plans` lists all 45."),
        ("run", "", "; there are 45."),
        ("", "", "; there are 45."),
    ],
)
def test_of_many_names_the_nearest_are_named(name, command, sentence):
    hint = near_miss(name, MANY, command)
    assert hint.endswith(sentence)
    assert hint.count("plan-") <= 3


@pytest.mark.parametrize("registry", [SPACES, TASKS, BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS], ids=lambda r: r.kind)
def test_the_command_in_the_message_lists_the_names(registry):
    with pytest.raises(UnknownNameError) as caught:
        registry["?"]
    assert len(str(caught.value)) < 200
    kind = registry.command.removeprefix("archsieve list ")
    assert CATALOGUES[kind] is registry


@pytest.mark.parametrize("count", [0, 1, 8, 9, 300])
def test_a_list_in_a_message_is_short(count):
    text = listed(map(str, range(count)))
    assert text.count(",") < 8
    assert text.endswith(f" and {count - 8} more") == (count > 8)


def test_an_unknown_name_is_a_key_error_with_a_plain_sentence():
    registry = Registry("proxy")
    registry.add("synflow", 1)
    with pytest.raises(KeyError) as caught:
        registry["sinflow"]
    assert str(caught.value) == "There is no proxy 'sinflow'. Did you mean 'synflow'?"


def test_entries_in_order_of_registration():
    registry = Registry("thing")
    registry.add("b", 1)
    registry.add_lazy("a", "math:pi")
    assert list(registry) == ["b", "a"]
    assert len(registry) == 2
    assert "a" in registry
    assert "c" not in registry


def test_a_lazy_entry_is_imported_when_asked_for(tmp_path, monkeypatch):
    (tmp_path / "lazily_found.py").write_text("ANSWER = [42]\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing")
    registry.add_lazy("answer", "lazily_found:ANSWER")
    assert list(registry) == ["answer"]
    assert "lazily_found" not in sys.modules
    assert registry["answer"] == [42]
    assert registry["answer"] is registry["answer"]
    monkeypatch.delitem(sys.modules, "lazily_found")


def test_what_an_entry_is_about_is_known_or_may_be_anything():
    catalogue = Registry("thing")
    catalogue.add_lazy("mine", "nowhere:Mine", about="here")
    catalogue.add_lazy("other", "nowhere:Other")
    assert catalogue.may_be_about("mine", "here")
    assert not catalogue.may_be_about("mine", "there")
    assert catalogue.may_be_about("other", "there")


def test_the_home_fills_a_registry_once(tmp_path, monkeypatch):
    (tmp_path / "home_of_things.py").write_text("import builtins\nbuiltins.things.add('one', 1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", "home_of_things")
    monkeypatch.setattr("builtins.things", registry, raising=False)
    assert registry["one"] == 1
    assert list(registry) == ["one"]
    monkeypatch.delitem(sys.modules, "home_of_things")


def test_a_name_is_taken_once_but_the_same_thing_may_come_again():
    registry = Registry("thing")
    registry.add("one", 1)
    registry.add("one", 1)
    with pytest.raises(UnknownNameError, match="The thing 'one' is registered already"):
        registry.add("one", 2)
    assert registry["one"] == 1


def test_register_decorates_and_returns_what_it_decorates():
    registry = Registry("thing")

    @registry.register("double")
    def double(x):
        return 2 * x

    assert double(4) == 8
    assert registry["double"] is double


def test_a_catalogue_of_named_classes_names_them():
    registry = Registry("thing", names_classes=True)

    class Plain:
        name = "Plain"

    assert registry.register("first")(Plain) is Plain
    assert Plain.name == "first"
    registry.add("second", Plain)
    registry.add("first", Plain)
    assert Plain.name == "first"
    registry.add("made", lambda: Plain)
    Registry("other").add("elsewhere", Plain)
    assert Plain.name == "first"


@pytest.mark.parametrize("name", shipped(SPACES))
def test_every_space_is_called_what_it_is_registered_as(name):
    assert SPACES[name].name == name
    assert make("space", name).name == name


def test_another_name_of_a_space_is_the_name_of_what_it_makes(restored):
    SPACES.add("narrow-macro", partial(NASBenchMacro, stem_width=4))
    narrow = make("space", "narrow-macro")
    assert (narrow.name, narrow) == ("narrow-macro", NASBenchMacro(stem_width=4))
    assert pickle.loads(pickle.dumps(narrow)).name == "narrow-macro"  # noqa: S301
    assert NASBenchMacro().name == make("space", "nasbench-macro").name == "nasbench-macro"
    assert fingerprint(narrow) == fingerprint(NASBenchMacro(stem_width=4))


def test_a_catalogue_whose_first_import_failed_is_filled_by_the_next(tmp_path, monkeypatch):
    home = tmp_path / "home_that_failed.py"
    home.write_text("import builtins\nbuiltins.things.add('one', 1)\nimport nothing_of_that_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", "home_that_failed")
    monkeypatch.setattr("builtins.things", registry, raising=False)
    for ask in (lambda: registry["one"], lambda: list(registry), lambda: "one" in registry, lambda: len(registry)):
        with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
            ask()
    home.write_text("import builtins\nbuiltins.things.add('one', 1)\nbuiltins.things.add('two', 2)\n# mended\n")
    importlib.invalidate_caches()
    assert list(registry) == ["one", "two"]
    assert registry["two"] == 2
    monkeypatch.delitem(sys.modules, "home_that_failed")


@pytest.mark.parametrize("name", ["mine.csv", "/data/mine", "C:\\mine.parquet"])
def test_a_path_is_no_benchmark(name):
    with pytest.raises(UnknownNameError, match="A file of your own is named to `archsieve search PLAN --ben"):
        BENCHMARKS[name]
    with pytest.raises(UnknownNameError, match=r"Did you mean|The nearest are"):
        SPACES[name]


def test_names_of_a_module_are_its_own_classes_and_functions():
    from archsieve.registry import near_miss_in

    namespace = {"Net": dict, "build": print, "__name__": "w", "_part": dict, "sizes": [1]}
    assert near_miss_in("nothing", namespace) == " Known: Net, build."
