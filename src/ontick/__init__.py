"""Ontick: can this language model control this environment in real time, and if not, which failed, policy or latency?"""

from importlib.metadata import version

__version__ = version("ontick")
