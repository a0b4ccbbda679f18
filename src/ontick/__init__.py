"""Can this language model control this environment in real time? If not: was it the policy or the latency?"""

from importlib.metadata import version

__version__ = version("ontick")
