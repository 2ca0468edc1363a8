"""The pictures of a board: which there are, which would say nothing, and their files."""

from medbench.report.pictures.collection import (
    Picture,
    Pictures,
    is_current,
    pictures,
    write_pictures,
)

__all__ = ["Picture", "Pictures", "is_current", "pictures", "write_pictures"]
