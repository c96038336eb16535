"""Data larger than one machine, as partitions of Dask arrays and DataFrames (extra ``dask``).

Each function has the name of the method that it does on partitions. All of them run on the active
Dask cluster or, if there is none, in threads of this process.
"""

try:
    import dask  # noqa: F401
except ImportError as error:
    raise ImportError(
        "sknormnet.dask needs the packages of the extra 'dask': pip install \"dask[dataframe]\""
        " distributed"
    ) from error

from sknormnet.dask.exact import fit
from sknormnet.dask.prediction import predict, predict_proba
from sknormnet.dask.streams import fit_each, partial_fit

__all__ = ["fit", "fit_each", "partial_fit", "predict", "predict_proba"]
