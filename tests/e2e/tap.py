"""tap: the Test Anything Protocol for the tests of this folder. A case is a block:

    with tap.case("is what the case is called"):
        equal(got, wanted)

It fails when the block raises, and the next one goes on. The plan comes last, so that a test that
ends early is noticed.
"""

import contextlib
import os
import re
import shutil
import sys
import traceback


def equal(got, wanted, of="it"):
    assert got == wanted, f"{of} is {got!r}\nand not   {wanted!r}"


def matches(pattern, text, of="it"):
    found = re.search(pattern, text, re.S | re.M)
    assert found, f"{of} lacks {pattern!r}:\n{text}"
    return found


def lacks(pattern, text, of="it"):
    assert not re.search(pattern, text, re.S | re.M), f"{of} has {pattern!r}:\n{text}"


class Tap:
    def __init__(self):
        self.cases = 0
        self.failed = 0
        self.on_failure = lambda: ""  # more to say about a failed case: logs

    def say(self, text):
        for line in text.splitlines():
            print("#  " + line, flush=True)

    @contextlib.contextmanager
    def case(self, name):
        self.cases += 1
        try:
            yield
        except Exception:  # pylint: disable=broad-except
            self.failed += 1
            print(f"not ok {self.cases} - {name}", flush=True)
            self.say(traceback.format_exc())
            self.say(self.on_failure())
        else:
            print(f"ok {self.cases} - {name}", flush=True)

    def skip(self, name, why):
        self.cases += 1
        print(f"ok {self.cases} - {name} # SKIP {why}", flush=True)

    def finish(self):
        print(f"1..{self.cases}", flush=True)
        sys.exit(1 if self.failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def need(*programs, root=True):
    """Skips the whole test, saying why, when something it cannot do without is missing."""
    build = os.path.abspath(os.environ.get("builddir", "."))
    if root and os.geteuid() != 0:
        skip_all("not root")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in programs:
        if program in ("posternd", "postern"):
            program = os.path.join(build, program)
        if not shutil.which(program):
            skip_all(f"{os.path.basename(program)} is missing")
    return build


def unpacked(name, program, build):
    """Where unpack.sh put an MTA, and what it has to be started with; or None and why not."""
    folder = os.environ.get("POSTERN_UNPACKED")
    folder = os.path.abspath(os.path.join(folder, name) if folder else os.path.join(build, name))
    preload = os.path.join(build, "tests", "e2e", "elsewhere.so")
    if not os.path.exists(os.path.join(folder, program)):
        return None, f"{name} is not in {folder}: tests/e2e/unpack.sh puts it there"
    if not os.path.exists(preload):
        return None, "tests/e2e/elsewhere.so is not built"
    return folder, preload


def need_sendmail(build):
    """The same of Sendmail; without it the whole test is skipped."""
    folder, preload = unpacked("sendmail", "usr/libexec/sendmail/sendmail", build)
    if not folder:
        skip_all(preload)
    return folder, preload
