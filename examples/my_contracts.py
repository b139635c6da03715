"""The laws that your parts must keep, as tests: pytest examples/my_contracts.py."""

from my_estimator import EarlyOptions
from my_searcher import Climber
from my_space import MyMLP
from my_task import Stripes

from archsieve.testing import EstimatorContract, SearcherContract, SpaceContract, TaskContract


class TestMyTask(TaskContract):
    task = Stripes(items=20)


class TestMySpace(SpaceContract):
    space, task = MyMLP(), Stripes()


class TestMyEstimator(EstimatorContract):
    estimator, space, task = EarlyOptions(), MyMLP(), Stripes()


class TestMySearcher(SearcherContract):
    searcher = Climber()
