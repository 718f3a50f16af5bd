"""Reports: figures of conferences, queues, days and agents, computed in one pass over the store."""

from .figures import Figures, ReportRow, RowKind
from .listing import ReportListing
from .run import Window, run_report

__all__ = ["Figures", "ReportListing", "ReportRow", "RowKind", "Window", "run_report"]
