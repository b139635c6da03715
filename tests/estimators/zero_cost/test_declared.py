"""What a proxy declares is read from its source, so that settings and keys need no torch."""

import subprocess
import sys

import pytest

from archsieve.errors import SettingError
from archsieve.estimators.zero_cost import declared as module
from archsieve.estimators.zero_cost.declared import Declared, declared
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint
from archsieve.registry import PROXIES, Registry

SHIPPED = sorted(n for n in PROXIES if PROXIES[n].function.__module__.startswith("archsieve."))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_source_says_what_the_proxy_says(name):
    proxy = PROXIES[name]
    assert module._read(proxy.function.__module__, proxy.function.__name__) == proxy.declared


def test_settings_and_fingerprints_of_all_proxies_need_no_torch():
    program = (
        "import sys\n"
        "from archsieve.estimators.zero_cost.estimator import ZeroCost\n"
        "from archsieve.fingerprints import fingerprint\n"
        "from archsieve.registry import ESTIMATORS\n"
        "print(*(fingerprint(ZeroCost(n)) for n in sys.argv[1:]), fingerprint(ESTIMATORS['az_nas']()))\n"
        "print(ZeroCost('nwot', options={'activations': 'relu'}).name, ZeroCost('snip').needs, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *SHIPPED], capture_output=True, text=True, check=True)
    prints, last = done.stdout.splitlines()
    assert prints.split()[:-1] == [fingerprint(ZeroCost(name)) for name in SHIPPED]
    assert last == "nwot[activations=relu] ('data', 'labels', 'gradients') False"


SOURCE = """
from archsieve import proxy

LATEST = 3

@proxy(needs=("data",), version=VERSION, passes=2.5)
def mine(network, probe, *, share=0.5):
    return 1.0
"""


@pytest.mark.parametrize(("version", "is_plain"), [("2", True), ("LATEST", False)])
def test_what_is_no_plain_value_is_asked_of_the_module(tmp_path, monkeypatch, version, is_plain):
    (tmp_path / f"own_proxy_{is_plain}.py").write_text(SOURCE.replace("VERSION", version))
    monkeypatch.syspath_prepend(tmp_path)
    proxies = Registry("proxy")
    proxies.add_lazy("mine", f"own_proxy_{is_plain}:mine")
    monkeypatch.setattr(module, "PROXIES", proxies)
    monkeypatch.setattr("archsieve.estimators.zero_cost.proxy.PROXIES", proxies)
    expected = Declared("mine", {"share": 0.5}, needs=("data",), version=2 if is_plain else 3, passes=2.5)
    assert declared("mine") == expected
    assert (f"own_proxy_{is_plain}" in sys.modules) is not is_plain
    assert proxies["mine"].declared == expected
    assert declared("mine") == expected


def test_an_unknown_option_names_the_near_miss():
    with pytest.raises(SettingError, match=r"nwot has no option 'activation'.* Did you mean 'activations'\?"):
        Declared("nwot", {"activations": "all"}).chosen({"activation": "relu"})
