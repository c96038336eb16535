"""Diagnostics of networks during and after training, as numbers and as plots."""

from sknormnet.inspection.attributions import (
    InputAttributions,
    input_gradients,
    integrated_gradients,
)
from sknormnet.inspection.batchnorm import BatchNormStatistics, batchnorm_statistics
from sknormnet.inspection.displays import (
    BatchNormDisplay,
    CandidatesDisplay,
    GradientFlowDisplay,
    InputAttributionsDisplay,
    LayerShiftDisplay,
    LayerStatisticsDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
)
from sknormnet.inspection.gradients import LayerGradient, layer_gradients
from sknormnet.inspection.history import TrainingHistory, training_history
from sknormnet.inspection.inputs import InputSummary, input_summary
from sknormnet.inspection.layers import (
    LayerShift,
    LayerStatistics,
    layer_shift,
    layer_statistics,
)
from sknormnet.inspection.networks import initialized
from sknormnet.inspection.recorder import TrainingRecorder
from sknormnet.inspection.records import RecordList, columns
from sknormnet.inspection.search_results import SearchTable, search_table

__all__ = [
    "BatchNormDisplay",
    "BatchNormStatistics",
    "CandidatesDisplay",
    "GradientFlowDisplay",
    "InputAttributions",
    "InputAttributionsDisplay",
    "InputSummary",
    "LayerGradient",
    "LayerShift",
    "LayerShiftDisplay",
    "LayerStatistics",
    "LayerStatisticsDisplay",
    "RecordList",
    "SearchResultsDisplay",
    "SearchTable",
    "TrainingHistory",
    "TrainingHistoryDisplay",
    "TrainingRecorder",
    "batchnorm_statistics",
    "columns",
    "initialized",
    "input_gradients",
    "input_summary",
    "integrated_gradients",
    "layer_gradients",
    "layer_shift",
    "layer_statistics",
    "search_table",
    "training_history",
]


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
