"""Diagnostics of networks during and after training, as numbers and as plots."""

from sknormnet.inspection.diagnostics import (
    BatchNormStatistics,
    LayerGradient,
    LayerShift,
    LayerStatistics,
    SearchTable,
    TrainingHistory,
    batchnorm_statistics,
    columns,
    initialized,
    layer_gradients,
    layer_shift,
    layer_statistics,
    search_table,
    training_history,
)
from sknormnet.inspection.displays import (
    BatchNormDisplay,
    GradientFlowDisplay,
    LayerShiftDisplay,
    LayerStatisticsDisplay,
    SearchResultsDisplay,
    TrainingHistoryDisplay,
)
from sknormnet.inspection.recorder import TrainingRecorder
from sknormnet.inspection.records import RecordList

__all__ = [
    "BatchNormDisplay",
    "BatchNormStatistics",
    "GradientFlowDisplay",
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
    "layer_gradients",
    "layer_shift",
    "layer_statistics",
    "search_table",
    "training_history",
]


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
