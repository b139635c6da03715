"""How good estimators are: figures of a ranking, `judge` and the study of the minimum keeping ratio."""
