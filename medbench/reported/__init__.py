"""Numbers that others published: tables as printed, and what does not add up in them."""

from medbench.reported.flags import Flag, flags
from medbench.reported.read import read_reported
from medbench.reported.table import Column, Remark, ReportedTable, Row

__all__ = ["Column", "Flag", "Remark", "ReportedTable", "Row", "flags", "read_reported"]
