"""Four models of strangers, searched by the command line as a new user would, beside what costs the same.

    python studies/own_models.py --out runs/own_models --bare PYTHON

Each model lies in studies/strangers/ with its data. Into an empty folder it is copied, shown, planned, searched below a
limit of multiply-adds, reported and exported. PYTHON, an interpreter with torch and no archsieve, then runs what was
exported. Two others get the same recipe: the best of random networks within the limit, whose trainings take as much
processor time as the search took, and the model scaled by hand to the limit. It can be stopped and started again;
`--out studies/own_models --page` writes docs/own_models_study.md from the recorded outcomes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from archsieve._files import replace_file

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "own_models_study.md"
WORDS = HERE / "own_models_words.md"
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Model:
    """A model of a stranger.

    Attributes:
        title: what it is.
        factory: "module:name".
        max_macs: the limit.
        task: settings of the task, whose data are those of the module.
        hand: the model scaled by hand to the limit.
        vary: options of its arguments, where it asks nothing itself.
        lines: of its file, and how many of them a search needs.
        unit: of its metric; errors are scores below 0.
    """

    title: str
    factory: str
    max_macs: float
    task: tuple[str, ...]
    hand: str
    unit: str
    vary: tuple[str, ...] = ()


MODELS = {
    "small_resnet": Model(
        "ResNet on 2,000 pictures of CIFAR-10",
        "small_resnet:SmallResNet",
        4e6,
        (),
        "stem=16, width=12, depth=2, width#1=24, depth#1=2, width#2=48, depth#2=2",
        "accuracy, %",
    ),
    "motor_cnn": Model(
        "1-D network on three sensors, regression",
        "motor_cnn:MotorCNN",
        120_000,
        ("kind=regression", "scored_by=mae"),
        "width=16, layers=2",
        "mean absolute error",
    ),
    "reader": Model(
        "transformer on 24 tokens", "reader:Reader", 240_000, (), "width=32, heads=4, layers=1", "accuracy, %"
    ),
    "tabular": Model(
        "perceptron on ten columns, regression",
        "tabular:perceptron",
        3000,
        ("kind=regression", "scored_by=mae"),
        "width=48, depth=2",
        "mean absolute error",
        (
            "width=[64, 16, 24, 32, 48, 96]",
            "depth=[2, 1, 3, 4]",
            'activation=["relu", "gelu", "tanh"]',
            "norm=[true, false]",
            "shrink=[1.0, 0.5, 0.75]",
        ),
    ),
}


def main() -> None:
    """Run all that is missing, seed by seed, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/own_models"))
    parser.add_argument("--bare", default=sys.executable, help="an interpreter with torch and without archsieve")
    parser.add_argument("--models", default=",".join(MODELS), help="those to run, with commas")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="those to run, with commas")
    parser.add_argument("--budget", default="60s", help="of each search")
    parser.add_argument("--page", action="store_true", help="write the page from what is there, and run nothing")
    parser.add_argument("--beside", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.beside:
        print(json.dumps(beside(**json.loads(chosen.beside))))
        return
    chosen.out.mkdir(parents=True, exist_ok=True)
    for seed in () if chosen.page else map(int, chosen.seeds.split(",")):
        for name in chosen.models.split(","):
            path = chosen.out / f"{name}-{seed}.json"
            if not path.exists():
                found = json.dumps(tried(chosen, name, seed), indent=1)
                with replace_file(path) as copy:
                    copy.write_text(found + "\n", encoding="utf-8")
            write_page(chosen.out)
    write_page(chosen.out)


def tried(chosen: argparse.Namespace, name: str, seed: int) -> dict:
    """Return what a new user gets from an empty folder, and what the two others get."""
    model, folder = MODELS[name], (chosen.out / f"{name}-{seed}").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(HERE / "strangers" / f"{name}.py", folder)
    task = ["--task", "function", "--set", f"task.function={name}:data"]
    task += [word for setting in model.task for word in ("--set", f"task.{setting}")]
    own = [word for text in model.vary for word in ("--set", f"vary.{text}")]
    varied = [word for text in model.vary for word in ("--vary", text)]
    plugin = ["--plugin", f"{name}.py"]
    found: dict = {"seed": seed, "model": name, "seconds": {}}
    spent = found["seconds"]
    shown = run(folder, spent, "space", f"{name}.py:{model.factory.split(':')[1]}", *varied, *task, *plugin, "--json")
    space = json.loads(shown)
    found |= {"decisions": len(space["decisions"]), "codes": space["codes"], "default": space["default"]}
    run(
        folder, spent, "plan", "own", "--set", f"factory={model.factory}", *own, *task, *plugin, "--seed", str(seed),
        "--max-macs", str(model.max_macs), "--budget", chosen.budget, "--out", "plan.toml",
    )  # fmt: skip
    result = json.loads(run(folder, spent, "search", "plan.toml", "--out", "RUN", *plugin, "--json"))
    run(folder, spent, "report", "RUN")
    run(folder, spent, "export", "RUN", "--to", "HOME", "--format", "all", *plugin)
    found |= {key: result[key] for key in ("best", "final_score", "higher_is_better", "stages", "cost")}
    found["plan"] = (folder / "plan.toml").read_text()
    found["check"] = (folder / "HOME" / "CHECK.txt").read_text()
    found["bare"] = run_bare(chosen.bare, folder)
    arguments = {"folder": str(folder), "seed": seed, "hand": model.hand, "seconds": spent["search"]["cpu"]}
    found["beside"] = json.loads(
        command(folder, sys.executable, str(Path(__file__).resolve()), "--beside", json.dumps(arguments)).splitlines()[
            -1
        ]
    )
    return found


def run(folder: Path, spent: dict, *words: str) -> str:
    """Return what a command prints, and note its seconds."""
    begun, used = time.perf_counter(), cpu_of_children()
    printed = command(folder, sys.executable, "-m", "archsieve", *words)
    spent[words[0]] = {"wall": time.perf_counter() - begun, "cpu": cpu_of_children() - used}
    return printed


def command(folder: Path, *words: str) -> str:
    """Return what a command prints in a folder, with one thread."""
    paths = os.pathsep.join([str(HERE.parent / "src"), str(folder)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def cpu_of_children() -> float:
    """Return the processor time of ended child processes, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


RUNS = """
import importlib.util, sys
import torch
assert importlib.util.find_spec("archsieve") is None, "archsieve can be imported"
sys.path.insert(0, "HOME")
from network import network
own, program = network(), torch.export.load("HOME/network.pt2").module()
named = torch.load("example.pt", weights_only=True)
with torch.no_grad():
    one, other = own.eval()(named), program(named)
print(tuple(one.shape), float((one - other).abs().max()))
"""


def run_bare(python: str, folder: Path) -> str:
    """Return what the exported network puts out where archsieve is not installed."""
    import torch

    from archsieve.networks.inputs import example_of, made_for
    from archsieve.plans.plugins import load_plugin
    from archsieve.plans.read import load_plan

    sys.path.insert(0, str(folder))
    plan = load_plan(folder / "plan.toml", [load_plugin(str(next(folder.glob("*.py"))))])
    example = made_for(torch.nn.Identity(), example_of(plan.task), 4, torch.device("cpu"))
    torch.save(example, folder / "example.pt")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", RUNS], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or f"failed: {done.stderr.strip()[-300:]}"


def beside(folder: str, seed: int, hand: str, seconds: float) -> dict:
    """Return the best random network and the model scaled by hand, both with the recipe of the plan's last training."""
    from archsieve.plans.plugins import load_plugin
    from archsieve.plans.read import load_plan
    from archsieve.randomness import generator
    from archsieve.runs.session import Session
    from archsieve.spaces.sizes import size_of

    begun = time.process_time()
    file = next(Path(folder).glob("*.py"))
    plan = load_plan(Path(folder) / "plan.toml", [load_plugin(str(file))])
    full, final = plan.stages[-1].estimator, plan.final
    with Session(Path(folder) / "BESIDE", plan.space, plan.task, seed=seed + 1000) as session:
        scored, rng = {}, generator(seed, "sample", "beside")
        while len(scored) < 400 and time.process_time() - begun < seconds:
            arch = plan.space.canonical(plan.space.sample(rng))
            scored[arch] = float(session.scores([full], [arch])[0, 0])
        best = max(scored, key=scored.get)
        tested = float(session.scores([final], [best])[0, 0])
        spent = time.process_time() - begun
        own = plan.space.parse(hand)
        by_hand = float(session.scores([final], [own])[0, 0])
    sizes = {key: size_of(plan.space, arch, plan.task, "macs") for key, arch in (("random", best), ("hand", own))}
    return {"networks": len(scored), "random": tested, "cpu": spent, "hand": by_hand, "macs": sizes}


def write_page(out: Path) -> None:
    """Write the page from the outcomes that are there."""
    outcomes = [json.loads(path.read_text()) for path in sorted(out.glob("*-*.json"))]
    if not outcomes:
        return
    rows = "\n".join(row(each) for each in outcomes)
    costs = "\n".join(cost(each) for each in outcomes)
    forms = "\n".join(taken_home(each) for each in outcomes if each["seed"] == 0)
    words = {"rows": rows, "costs": costs, "forms": forms, "verdict": verdict(outcomes)}
    with replace_file(PAGE) as copy:
        copy.write_text(WORDS.read_text().format(**words), encoding="utf-8")


def verdict(outcomes: list[dict]) -> str:
    """Return in how many searches the winner was better than the two others on the test items."""
    better = {
        other: sum(each["final_score"] > each["beside"][other] for each in outcomes) for other in ("random", "hand")
    }
    return (
        f"Of {len(outcomes)} searches {better['random']} found a better network than random search did, and "
        f"{better['hand']} a better one than the model scaled by hand."
    )


def taken_home(found: dict) -> str:
    """Return a line of the table of exported forms: the greatest difference of each to the network of the search."""
    off = {
        line.partition(":")[0]: re.findall(r"difference (\S+) of", line)[0]
        for line in found["check"].splitlines()
        if "greatest difference" in line
    }
    forms = " | ".join(off[name] for name in ("network.pt2", "network.onnx"))
    return f"| {MODELS[found['model']].title} | {forms} | {found['seconds']['export']['cpu']:.0f} |"


def row(found: dict) -> str:
    """Return a line of the table of outcomes: on data that no stage has seen, errors as positive numbers."""
    model, beside, sign = MODELS[found["model"]], found["beside"], 1 if found["higher_is_better"] else -1
    figures = [sign * found["final_score"], sign * beside["random"], sign * beside["hand"]]
    shown = " | ".join(f"{figure:.4g}" for figure in figures)
    size = f"{found['decisions']} | {found['codes']:,} | {model.max_macs:,.0f} | {planned(found)}"
    return f"| {model.title} | {found['seed']} | {size} | {model.unit} | {shown} | {beside['networks']} |"


def planned(found: dict) -> str:
    """Return the budget of a plan, and what it trains."""
    budget = re.findall(r"plan` for (\S+) on", found["plan"])[0]
    stages = ", ".join(f"{stage['candidates']} {stage['label'].removesuffix('s')}s" for stage in found["stages"])
    epochs = tomllib.loads(found["plan"])["final"].get("epochs", 1)
    return f"{budget}: {stages}, {epochs} epoch{'s' if epochs > 1 else ''}"


def cost(found: dict) -> str:
    """Return a line of the table of costs, in seconds of the processor and of the clock."""
    spent = found["seconds"]
    each = " | ".join(f"{spent[key]['cpu']:.0f}" for key in ("space", "plan", "search", "report", "export"))
    lines = (HERE / "strangers" / f"{found['model']}.py").read_text()
    added = sum("choice(" in line or "one_of(" in line for line in lines.splitlines()) + ("archsieve" in lines)
    minutes = sum(part["wall"] for part in spent.values()) / 60
    off = found["bare"].rpartition(" ")[2]
    return (
        f"| {MODELS[found['model']].title} | {added} | {each} | {found['beside']['cpu']:.0f} | {minutes:.1f} | {off} |"
    )


if __name__ == "__main__":
    main()
