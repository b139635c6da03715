"""Evaluation of estimators: ranking metrics, `judge`, audits, and the study of the minimum keeping ratio."""
