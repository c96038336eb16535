"""The only measure of memory in the tests."""

import tracemalloc


def peak_of(function, *args):
    """Call a function; return the most memory, in bytes, that the call held at a time."""
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
