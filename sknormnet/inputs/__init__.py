"""From a table to the inputs of a network, fitted on training rows only."""

from sknormnet.inputs.categorical import CategoricalEncoder
from sknormnet.inputs.consistency import check_inputs
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.errors import ColumnError, listed
from sknormnet.inputs.fitting import fit_inputs
from sknormnet.inputs.numeric import NumericEncoder
from sknormnet.inputs.summary import ColumnSummary, summarize
from sknormnet.inputs.tables import TableColumns, read_columns

__all__ = [
    "CategoricalEncoder",
    "ColumnError",
    "ColumnSummary",
    "InputEncoder",
    "NumericEncoder",
    "TableColumns",
    "check_inputs",
    "fit_inputs",
    "listed",
    "read_columns",
    "summarize",
]
