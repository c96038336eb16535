"""From a table to the inputs of a network, fitted on training rows only."""

from sknormnet.inputs.categorical import CategoricalEncoder
from sknormnet.inputs.consistency import check_inputs
from sknormnet.inputs.encoder import InputEncoder
from sknormnet.inputs.errors import ColumnError, listed
from sknormnet.inputs.fitting import fit_inputs, fit_more
from sknormnet.inputs.numeric import NumericEncoder
from sknormnet.inputs.tables import TableColumns, read_columns

__all__ = [
    "CategoricalEncoder",
    "ColumnError",
    "InputEncoder",
    "NumericEncoder",
    "TableColumns",
    "check_inputs",
    "fit_inputs",
    "fit_more",
    "listed",
    "read_columns",
]
