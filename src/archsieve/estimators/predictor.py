"""A predictor: learns from a few scored architectures to predict the scores of the others."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from archsieve._checksums import with_checksum, without_checksum
from archsieve._files import Remembered, artifact_name, check_artifact, write_text
from archsieve._reading import LARGEST_DATA, parse_json, read_text
from archsieve.errors import RunFolderError, ScoringError, SettingError, UnknownNameError, require
from archsieve.estimators.combined.mean_rank import percentile_rank
from archsieve.estimators.contract import check_estimator, leaves_of, uses_device
from archsieve.fingerprints import fingerprint, frozen
from archsieve.randomness import derive_seed, generator
from archsieve.registry import near_miss
from archsieve.spaces.contract import one_hot
from archsieve.spaces.sampling import draw_up_to
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace

PASSED, FAILED = 2.0, -1.0
_FOLDS = 10


@dataclass(frozen=True)
class Predictor:
    """Scores architectures by a scikit-learn model fitted to another estimator's scores of a sample.

    With `above` the model is a classifier and the score its probability that the teacher scores strictly above it, in
    [0, 1]; sampled architectures that did score 2, those that did not -1, so that what is known comes first and last.
    Without, it is a regressor on the percentile rank of the teacher's scores in the sample: this survives a sample in
    which hardly any passes. What was sampled is then predicted like all others, by a model taught on the nine tenths of
    the sample that do not hold it: predictions shrink towards the mean, so that ranks as they are known would stand
    above all of them. What the teacher could not score keeps the lowest rank. Where all of the sample passes, or none,
    a classifier has nothing to tell apart and predicts the same for all.

    The defaults are the first stage of pipelines B and C of "Good Performance Estimation strategies are All You Need in
    NAS" (TPAMI 2025): a forest of 30 trees, taught by a vote on 200 architectures, codes as numbers. In one round, the
    thresholds of a vote are those of the same sample if its `calibration` equals `samples`.

    Args:
        teacher: the estimator it learns from.
        above: what the teacher's score must exceed; None to predict ranks.
        samples: architectures taught with, drawn by seed; all where the space holds fewer.
        rounds: 1, or more to teach in equal parts: the first at random, each later one on those of the pool that are
            predicted best, ties in an order drawn by seed.
        model: name of a scikit-learn classifier or regressor; empty for a random forest.
        options: of the model, a mapping by name; a forest has 30 trees unless told.
        encoding: "integer" gives codes as numbers, or what the space says its features are; "one_hot" a feature an
            option.
    """

    teacher: AnyEstimator = field(metadata={"catalogue": "estimator"})
    above: float | None = None
    samples: int = 200
    rounds: int = 1
    model: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    encoding: Literal["integer", "one_hot"] = "integer"
    name: ClassVar[str] = "predictor"
    chunk_size: ClassVar[int] = 100_000

    def __post_init__(self) -> None:
        """Check the settings; mappings and lists become hashable."""
        check_estimator(self.teacher, "`teacher`")
        object.__setattr__(self, "options", tuple(sorted(frozen(dict(self.options)).items())))
        for name in ("samples", "rounds"):
            check_whole(name, getattr(self, name))
        if self.above is not None and not math.isfinite(self.above):
            raise SettingError(f"`above` must be finite, but got above={self.above}.")
        if not 1 <= self.rounds <= self.samples:
            settings = f"rounds={self.rounds}, samples={self.samples}"
            raise SettingError(f"`1 <= rounds <= samples` must hold, but got {settings}.")
        if self.encoding not in ("integer", "one_hot"):
            raise SettingError(f"`encoding` must be 'integer' or 'one_hot', but got {self.encoding!r}.")

    @property
    def version(self) -> int:
        """2 for a regressor or several rounds, whose scores changed once; 1 for a classifier of one round."""
        return 1 if self.above is not None and self.rounds == 1 else 2

    @property
    def learns_from_pool(self) -> bool:
        """Whether fitting depends on the pool: only rounds after the first use it."""
        return self.rounds > 1

    @property
    def needs(self) -> tuple[str, ...]:
        """The teacher's needs."""
        return tuple(getattr(self.teacher, "needs", ()))

    @property
    def uses_device(self) -> bool:
        """Whether the teacher uses the device; the model itself runs on the CPU."""
        return any(map(uses_device, leaves_of(self.teacher)))

    @property
    def lesson(self) -> tuple[AnyEstimator, int]:
        """The teacher, and how many architectures it scores."""
        return self.teacher, self.samples

    def fit(self, pool: Sequence[Architecture], ctx: Context, scores: Callable[..., NDArray[np.float64]]) -> None:
        """Score the sample with the teacher, and store codes and scores.

        Raises:
            ArchsieveError: as `check_model`.
            SettingError: a model of nearest neighbours has fewer architectures to learn from than neighbours.
            ScoringError: the teacher could score none of the sample.
        """
        self.check_model()
        if self._file(ctx).exists():
            return
        part = self.samples // self.rounds
        sample = draw_up_to(ctx.space, ctx.seed, self.samples - part * (self.rounds - 1))
        self._check_neighbours(len(sample))
        taught = scores([self.teacher], sample)[:, 0]
        for turn in range(1, self.rounds):
            candidates = sorted(set(map(ctx.space.canonical, pool)) - set(sample))  # independent of the caller's order
            if not candidates:
                break
            candidates = [
                candidates[i] for i in generator(ctx.seed, "sample", "predictor", turn).permutation(len(candidates))
            ]
            order = np.argsort(-self._teach(sample, taught, ctx).predict(candidates), kind="stable")
            sample = [*sample, *(candidates[i] for i in order[:part])]
            taught = scores([self.teacher], sample)[:, 0]
        if np.isnan(taught).all():
            raise ScoringError(f"the teacher {self.teacher.name!r} could score none of {len(sample)} architectures")
        told = [None if np.isnan(score) else float(score) for score in taught]
        lesson = {"archs": sample, "scores": told, "about": artifact_name(self._file(ctx))}
        write_text(self._file(ctx), json.dumps(with_checksum(lesson)))

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the predictions, shape (n,), higher is better.

        Raises:
            SettingError: nothing was taught yet.
            RunFolderError: what was taught cannot be read.
        """
        file = self._file(ctx)
        if not file.exists():
            raise SettingError(f"There is no fitted predictor in {ctx.workdir}: call `fit` first.")
        about = fingerprint(self), ctx.space, ctx.seed
        return _TAUGHT.get(file, about, partial(self._read, file, ctx)).predict(archs)

    def _read(self, file: Path, ctx: Context) -> _Taught:
        """Return the model fitted to the stored sample of a file."""
        try:
            lesson = without_checksum(parse_json(read_text(file, LARGEST_DATA)))
            sample = [tuple(map(int, arch)) for arch in lesson["archs"]]
            taught = np.array(lesson["scores"], dtype=np.float64)
            if taught.shape != (len(sample),) or not all(map(ctx.space.is_valid, sample)) or np.isnan(taught).all():
                raise ValueError("it is of another space, or has no scores")  # noqa: TRY301 - one sentence for all
            if any(score != score for score in lesson["scores"]):  # what could not be scored is null
                raise ValueError("a score is no number")  # noqa: TRY301 - as above
            check_artifact(file, lesson.get("about"))
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise RunFolderError(f"The file {file} is damaged: delete it to fit the predictor again.") from error
        return self._teach(sample, taught, ctx)

    def _teach(self, sample: Sequence[Architecture], taught: Scores, ctx: Context) -> _Taught:
        """Return a model fitted to the scores of a sample."""
        features = self._features(ctx.space, sample)
        seed = derive_seed(ctx.seed, "init", "predictor") % 2**32
        if self.above is None:
            ranks = percentile_rank(taught, taught)
            predict = self._model(seed).fit(features, ranks).predict
            own = np.where(np.isnan(taught), ranks, self._left_out(features, ranks, seed))
        else:
            passed = taught > self.above
            own = np.where(passed, PASSED, FAILED)
            if passed.all() or not passed.any():
                predict = partial(_constant, float(passed.all()))
            else:
                predict = partial(_probability, self._model(seed).fit(features, passed))
        truths = dict(zip(sample, own.round(9).tolist(), strict=True))
        return _Taught(predict, partial(self._features, ctx.space), ctx.space.canonical, truths)

    def _left_out(self, features: NDArray[np.float64], ranks: Scores, seed: int) -> Scores:
        """Return ten-fold cross-validated predictions for the sample."""
        folds = generator(seed, "sample", "folds").permutation(len(ranks)) % min(_FOLDS, len(ranks))
        predictions = ranks.copy()
        for fold in range(folds.max() + 1 if len(ranks) > 1 else 0):
            out = folds == fold
            predictions[out] = self._model(seed).fit(features[~out], ranks[~out]).predict(features[out])
        return predictions

    def _features(self, space: SearchSpace, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        if self.encoding == "one_hot":
            return one_hot(space, archs)
        features = getattr(space, "features", None)
        rows = list(map(features, archs)) if features else archs
        return np.asarray(rows, dtype=np.float64).reshape(len(archs), -1 if features else len(space.choices))

    def check_model(self) -> None:
        """Check that scikit-learn has this model with these options.

        Raises:
            MissingPackageError: scikit-learn is not installed.
            UnknownNameError: it has no such model.
            SettingError: the model has no such option, or gives no probabilities.
        """
        _ = self._model(0)

    def _model(self, seed: int) -> Any:
        """Return a new model, seeded by the run's seed."""
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
            raise SettingError(f"The model {name} cannot be created with {dict(self.options)}: {error}.") from error
        if kind == "classifier" and not hasattr(model, "predict_proba"):
            raise SettingError(f"The model {name} gives no probabilities: choose another model, or predict ranks.")
        own = "random_state" in model.get_params() and "random_state" not in dict(self.options)
        return model.set_params(random_state=seed) if own else model

    def _check_neighbours(self, count: int) -> None:
        """Check before the teacher runs that a nearest-neighbour model has enough training samples."""
        neighbours = getattr(self._model(0), "n_neighbors", 0)
        held_out = math.ceil(count / _FOLDS) if self.above is None and count > 1 else 0
        if neighbours > count - held_out:
            rest = f", of which {held_out} are left out in turn" if held_out else ""
            raise SettingError(
                f"The model {self.model} looks at n_neighbors={neighbours}, but the sample has {count} "
                f"architectures{rest}: raise `samples`, or lower n_neighbors."
            )

    def _file(self, ctx: Context) -> Path:
        return ctx.workdir / "lesson.json"


@dataclass(frozen=True, eq=False)
class _Taught:
    """A fitted model, its feature function, and the scores of its own sample."""

    model: Callable[[NDArray[np.float64]], NDArray[Any]]
    features: Callable[[Sequence[Architecture]], NDArray[np.float64]]
    canonical: Callable[[Architecture], Architecture]
    own: Mapping[Architecture, float]

    def predict(self, archs: Sequence[Architecture]) -> Scores:
        """Return the predictions, shape (n,); architectures of the sample get their own scores.

        They are rounded, since the rounding of matrix products depends on the number of rows.
        """
        predictions = np.asarray(self.model(self.features(archs)), dtype=np.float64).round(9)
        own = (self.own.get(self.canonical(arch), value) for arch, value in zip(archs, predictions, strict=True))
        return np.fromiter(own, dtype=np.float64, count=len(archs))


_TAUGHT: Remembered[_Taught] = Remembered(most=4)


def _constant(value: float, queries: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(queries), value)


def _probability(model: Any, queries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of the class True."""
    return np.asarray(model.predict_proba(queries)[:, 1])


@cache
def _models(kind: str) -> Mapping[str, Any]:
    from sklearn.utils import all_estimators

    return dict(all_estimators(type_filter=kind))
