"""The CartPole experiment, reproduced: ``ontick reproduce cartpole``, its table in the docs, its bars as JSON."""

from __future__ import annotations

from ontick.reproduction.recipes import Recipe
from published import script

if __name__ == "__main__":
    script("cartpole", Recipe.CARTPOLE)
