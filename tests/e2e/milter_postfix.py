"""posternd as a milter of Postfix; and as milter and proxy at once."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import milter  # noqa: E402
from client import Client  # noqa: E402
from lab import Lab, free_port, message  # noqa: E402
from tap import Tap, equal, matches, need  # noqa: E402


def account(tap, w):
    with tap.case("the account that Postfix has authenticated is known"):
        with w.client(xclient="LOGIN=alice") as c:
            c.say("MAIL FROM:<a@good.test>")
            said = c.say("RCPT TO:<bob@example.org>")
        matches(r"^5\.7\.4 Hello alice \[", said.text, "the reply")


def both_fronts(tap, w, port, behind):
    with tap.case("one posternd serves milter and proxy at the same time"):
        data = message("a@good.test", "both@example.org", "both")
        with w.client() as by_milter, Client(port) as by_proxy:
            for line in ("MAIL FROM:<a@good.test>", "RCPT TO:<both@example.org>"):
                for each in (by_milter, by_proxy):
                    equal(each.say(line).code, 250, line)
            for each in (by_milter, by_proxy):
                equal(each.data(data).code, 250, "the reply")
        for mta in (w.mta, behind):
            stored = mta.await_messages("both@example.org")[0].decode()
            equal(len(milter.results(stored)), 1, "the number of results")
        fronts = [e["front"] for e in w.posternd.await_entries("both@example.org", 2)]
        equal(sorted(fronts), ["milter", "proxy"], "the journal")


def main():
    build = need("posternd", "postern", "postfix", "nsd", "dkimsign", "openssl")
    tap = Tap()
    with Lab() as lab:
        port = free_port()
        behind = lab.postfix(name="behind")
        w = milter.World(lab, build, f"listen proxy 127.0.0.1 port {port}\n"
                         f"backend 127.0.0.1 port {behind.port} xclient")
        w.mta = lab.postfix(milters=f"inet:127.0.0.1:{w.milter}")
        milter.run(tap, w)
        account(tap, w)
        both_fronts(tap, w, port, behind)
        milter.ending(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
