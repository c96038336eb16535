"""The diagnostics as plots, in the form of scikit-learn's displays, one file for each subject."""

from sknormnet.inspection.displays.attributions import InputAttributionsDisplay
from sknormnet.inspection.displays.batchnorm import BatchNormDisplay
from sknormnet.inspection.displays.candidates import CandidatesDisplay
from sknormnet.inspection.displays.gradients import GradientFlowDisplay
from sknormnet.inspection.displays.history import TrainingHistoryDisplay
from sknormnet.inspection.displays.layers import LayerShiftDisplay, LayerStatisticsDisplay
from sknormnet.inspection.displays.search_results import SearchResultsDisplay

__all__ = [
    "BatchNormDisplay",
    "CandidatesDisplay",
    "GradientFlowDisplay",
    "InputAttributionsDisplay",
    "LayerShiftDisplay",
    "LayerStatisticsDisplay",
    "SearchResultsDisplay",
    "TrainingHistoryDisplay",
]
