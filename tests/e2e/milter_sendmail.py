"""posternd as a milter of Sendmail."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import milter  # noqa: E402
from lab import Lab  # noqa: E402
from tap import Tap, need, need_sendmail  # noqa: E402


def main():
    build = need("posternd", "postern", "nsd", "dkimsign", "openssl", "m4")
    unpacked, elsewhere = need_sendmail(build)
    tap = Tap()
    with Lab() as lab:
        w = milter.World(lab, build)
        w.mta = lab.sendmail(unpacked=unpacked, elsewhere=elsewhere,
                             milters=[f"inet:{w.milter}@127.0.0.1"])
        milter.run(tap, w)
        milter.ending(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
