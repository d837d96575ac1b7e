"""A function whose module takes long to import."""

import numpy as np
import pandas as pd


def first() -> int:
    return int(pd.Series(np.ones(3)).sum())
