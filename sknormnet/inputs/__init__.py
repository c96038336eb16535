"""From the rows of X to the inputs of a network: what is fitted on the training rows only."""

from sknormnet.inputs.bins import BinEncoder, fit_bins

__all__ = ["BinEncoder", "fit_bins"]
