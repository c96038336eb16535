"""Standard output as a place for progress lines, whatever it is; knows nothing of training."""

import math
import shutil
import sys
from contextlib import suppress


class Screen:
    """Prints lines, and a last line that is drawn again and again.

    Each call looks `sys.stdout` up, so that redirected output is followed. Printing never
    raises: a stream that is missing or closed is no reason to lose a fit.
    """

    def __init__(self) -> None:
        self._drawn = 0  # length of the line that is still open

    @property
    def is_live(self) -> bool:
        r"""Whether ``\r`` goes back to the start of the line: on terminals and in notebooks."""
        if type(sys.stdout).__module__.startswith("ipykernel."):
            return True
        try:
            return bool(sys.stdout.isatty())
        except Exception:  # None, or an object of the user's own, or closed
            return False

    @property
    def width(self) -> float:
        """The longest line that does not wrap; infinite in a file."""
        return shutil.get_terminal_size().columns - 1 if self.is_live else math.inf

    def draw(self, line: str) -> None:
        """Replace the open line by another, which stays open."""
        self._write(self._over(line))
        self._drawn = len(line)

    def print(self, line: str) -> None:
        """Print a line, in place of the open one if there is one."""
        self._write(f"{self._over(line) if self._drawn else line}\n")
        self._drawn = 0

    def clear(self) -> None:
        """Remove the open line, so that something else can be printed."""
        if self._drawn:
            self._write(f"{self._over('')}\r")
            self._drawn = 0

    def _over(self, line: str) -> str:
        """The line over the open one; blanks cover what is left of that, on any terminal."""
        # A terminal that has become narrower since would wrap them.
        n_blanks = min(self._drawn, self.width) - len(line)
        return f"\r{line}{' ' * int(max(n_blanks, 0))}"

    @staticmethod
    def _write(text: str) -> None:
        # Other errors than Exception, such as KeyboardInterrupt, are not about printing.
        try:
            print(text, end="", flush=True)
        except UnicodeEncodeError:
            with suppress(Exception):
                print(text.encode("ascii", "replace").decode(), end="", flush=True)
        except Exception:
            pass
