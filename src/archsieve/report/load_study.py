"""Reading of a study folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve.errors import RunFolderError
from archsieve.judging.claims import Claim, Finding
from archsieve.judging.mkr_study import STUDY_FILE, Study
from archsieve.runs.folder import read_json
from archsieve.runs.provenance import Provenance

if TYPE_CHECKING:
    from pathlib import Path


def read_study(folder: Path) -> Study:
    """Return the study stored in a folder.

    Raises:
        RunFolderError: it holds none, or a damaged one.
    """
    path = folder / STUDY_FILE
    content = read_json(path)
    try:
        return _study_of(content)
    except (TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(f"The file {path} was not written by this version: run the study again.") from error


def _study_of(content: dict[str, Any]) -> Study:
    findings = tuple(
        Finding(**{**f, "found": {searcher: tuple(values) for searcher, values in f["found"].items()}})
        for f in content["findings"]
    )
    if not findings:
        raise KeyError("findings")
    claims = tuple(_claim_of({key: _as_tuples(value) for key, value in claim.items()}) for claim in content["claims"])
    plain = {"provenance": Provenance(**content["provenance"]), "pictures": tuple(content.get("pictures", ()))}
    return Study(**{**content, "findings": findings, "claims": claims, **plain})


def _claim_of(claim: dict[str, Any]) -> Claim:
    """Return a claim; earlier versions stored a single gain, that of the minimum keeping ratio."""
    for name in ("kendall", "pearson"):
        if f"{name}_gain" in claim:
            claim[f"{name}_gains"] = {"1 - MKR": claim.pop(f"{name}_gain")}
    return Claim(**claim)


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_tuples(inner) for key, inner in value.items()}
    return tuple(value) if isinstance(value, list) else value
