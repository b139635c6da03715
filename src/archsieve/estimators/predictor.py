"""A predictor: learns from a few scored architectures which of the others are worth scoring."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from archsieve.errors import RunFolderError, SettingError, UnknownNameError, require
from archsieve.estimator import leaves_of, uses_device
from archsieve.estimators.mean_rank import percentile_rank
from archsieve.files import replace_file
from archsieve.pool import draw_up_to
from archsieve.randomness import derive_seed
from archsieve.registry import near_miss
from archsieve.space import one_hot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.estimator import Context, Scores
    from archsieve.space import Architecture, SearchSpace

PASSED, FAILED = 2.0, -1.0


@dataclass(frozen=True)
class Predictor:
    """Scores architectures by a scikit-learn model that a teacher has taught on a sample of the space.

    With `above` the model is a classifier and the score its probability that the teacher scores strictly above it, in
    [0, 1]; sampled architectures that did score 2, those that did not -1, so that what is known comes first and last.
    Without, it is a regressor on the percentile rank of the teacher's scores in the sample, and what was sampled keeps
    its own: this survives a sample in which hardly any passes. Where all of the sample passes, or none, a classifier
    has nothing to tell apart and predicts the same for all.

    The defaults are the first stage of pipelines B and C of "Good Performance Estimation strategies are All You Need in
    NAS" (TPAMI 2025): a forest of 30 trees, taught by a vote on 200 architectures, codes as numbers. In one round, the
    thresholds of a vote are those of the same sample if its `calibration` equals `samples`.

    Args:
        teacher: the estimator it learns from.
        above: what the teacher's score must exceed; None to predict ranks.
        samples: architectures taught with, drawn by seed; all where the space holds fewer.
        rounds: 1, or more to teach in equal parts: the first at random, each later one on those of the pool that are
            predicted best.
        model: name of a scikit-learn classifier or regressor; empty for a random forest.
        options: of the model, a mapping by name; a forest has 30 trees unless told.
        encoding: "integer" gives codes as numbers, or what the space says its features are; "one_hot" a feature an
            option.
    """

    teacher: Any = field(metadata={"catalogue": "estimator"})
    above: float | None = None
    samples: int = 200
    rounds: int = 1
    model: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    encoding: Literal["integer", "one_hot"] = "integer"
    name: ClassVar[str] = "predictor"
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 100_000

    def __post_init__(self) -> None:
        """Check the settings; a mapping, as plan files have it, cannot be hashed."""
        object.__setattr__(self, "options", tuple(sorted(dict(self.options).items())))
        if not 1 <= self.rounds <= self.samples:
            got = f"rounds={self.rounds}, samples={self.samples}"
            raise SettingError(f"`1 <= rounds <= samples` must hold, but got {got}.")
        if self.encoding not in ("integer", "one_hot"):
            raise SettingError(f"`encoding` must be 'integer' or 'one_hot', but got {self.encoding!r}.")

    @property
    def learns_from_pool(self) -> bool:
        """Only the later rounds look at the pool."""
        return self.rounds > 1

    @property
    def needs(self) -> tuple[str, ...]:
        """What the teacher needs."""
        return tuple(getattr(self.teacher, "needs", ()))

    @property
    def uses_device(self) -> bool:
        """Whether the teacher does: the model itself is the CPU's."""
        return any(map(uses_device, leaves_of(self.teacher)))

    @property
    def lesson(self) -> tuple[Any, int]:
        """The teacher, and how many architectures it scores."""
        return self.teacher, self.samples

    def fit(self, pool: Sequence[Architecture], ctx: Context, scores: Callable[..., NDArray[np.float64]]) -> None:
        """Let the teacher score the sample, and keep codes and scores.

        Raises:
            MissingPackageError: scikit-learn is not installed.
            UnknownNameError: it has no such model.
            SettingError: the model has no such option.
        """
        self._model(0)
        if self._file(ctx).exists():
            return
        part = self.samples // self.rounds
        known = draw_up_to(ctx.space, ctx.seed, self.samples - part * (self.rounds - 1))
        taught = scores([self.teacher], known)[:, 0]
        for _ in range(1, self.rounds):
            left = sorted(set(map(ctx.space.canonical, pool)) - set(known))  # in no order of the caller's
            if not left:
                break
            order = np.argsort(-self._predict(known, taught, left, ctx), kind="stable")
            known = [*known, *(left[i] for i in order[:part])]
            taught = scores([self.teacher], known)[:, 0]
        lesson = {"archs": known, "scores": [None if np.isnan(score) else float(score) for score in taught]}
        ctx.workdir.mkdir(parents=True, exist_ok=True)
        with replace_file(self._file(ctx)) as temporary:
            temporary.write_text(json.dumps(lesson))

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the predictions, shape (n,), higher is better.

        Raises:
            SettingError: nothing was taught yet.
            RunFolderError: what was taught cannot be read.
        """
        file = self._file(ctx)
        if not file.exists():
            raise SettingError(f"There is no lesson in {ctx.workdir}: call `fit` first.")
        try:
            lesson = json.loads(file.read_text())
            known = [tuple(map(int, arch)) for arch in lesson["archs"]]
            taught = np.array(lesson["scores"], dtype=np.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"The file {file} is damaged: delete it to teach the predictor anew.") from error
        return self._predict(known, taught, archs, ctx)

    def _predict(
        self, known: Sequence[Architecture], taught: Scores, archs: Sequence[Architecture], ctx: Context
    ) -> Scores:
        """Return what the model makes of `archs`, and the truth of those it was taught."""
        features, wanted = self._features(ctx.space, known), self._features(ctx.space, archs)
        model = self._model(derive_seed(ctx.seed, "init", "predictor") % 2**32)
        if self.above is None:
            own = percentile_rank(taught, taught)
            found = np.asarray(model.fit(features, own).predict(wanted), dtype=np.float64)
        else:
            passed = taught > self.above
            own = np.where(passed, PASSED, FAILED)
            if passed.all() or not passed.any():
                found = np.full(len(archs), float(passed.all()))
            else:
                found = np.asarray(model.fit(features, passed).predict_proba(wanted)[:, 1], dtype=np.float64)
        found = found.round(9)  # products of matrices round by how many rows they have
        truths = dict(zip(known, own, strict=True))
        return np.array([truths.get(ctx.space.canonical(a), found[i]) for i, a in enumerate(archs)], dtype=np.float64)

    def _features(self, space: SearchSpace, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        if self.encoding == "one_hot":
            return one_hot(space, archs)
        features = getattr(space, "features", None)
        rows = list(map(features, archs)) if features else archs
        return np.asarray(rows, dtype=np.float64).reshape(len(archs), -1 if features else len(space.choices))

    def _model(self, seed: int) -> Any:
        """Return a new model; what is random in it follows the seed."""
        require("sklearn", "data")
        kind = "regressor" if self.above is None else "classifier"
        models = _models(kind)
        name = self.model or f"RandomForest{kind.title()}"
        if name not in models:
            raise UnknownNameError(f"scikit-learn has no {kind} {name!r}.{near_miss(name, models)}")
        options = {"n_estimators": 30} if name.startswith("RandomForest") else {}
        try:
            model = models[name](**{**options, **dict(self.options)})
        except TypeError as error:
            raise SettingError(f"The model {name} cannot be made with {dict(self.options)}: {error}.") from error
        if kind == "classifier" and not hasattr(model, "predict_proba"):
            raise SettingError(f"The model {name} gives no probabilities: take another, or predict ranks.")
        own = "random_state" in model.get_params() and "random_state" not in dict(self.options)
        return model.set_params(random_state=seed) if own else model

    def _file(self, ctx: Context) -> Path:
        return ctx.workdir / "lesson.json"


def _models(kind: str) -> Mapping[str, Any]:
    from sklearn.utils import all_estimators

    return dict(all_estimators(type_filter=kind))
