"""Reading calls back: any dialect, strict first, repaired where the tools' schemas leave one meaning."""

from bridle.wrappers.reading.entry import parse_calls, read_calls
from bridle.wrappers.reading.marks import SUSPECTS
from bridle.wrappers.reading.recover import is_call_like, recover

__all__ = ["SUSPECTS", "is_call_like", "parse_calls", "read_calls", "recover"]
