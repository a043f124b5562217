"""posternd between real servers that speak the PROXY protocol: HAProxy in front, Postfix behind."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from lab import Lab, Process, answers, free_port, message, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need  # noqa: E402

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d from proxies
backend 127.0.0.1 port %(backend)d %(handoff)s
resolver forward 127.0.0.1 port 9
trust 127.0.0.1
threads 1
at connect { reject 554 5.7.1 "Blocked: ${client.ip}"  if client.ip in { 127.0.0.66 } }
"""

HAPROXY = """global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 30s
    log stdout format raw local0
frontend smtp
    bind 127.0.0.1:%(front)d
    default_backend postern
    unique-id-format %%[uuid()]
backend postern
    option smtpchk EHLO haproxy.test
    default-server inter 200ms rise 1
    server postern 127.0.0.1:%(port)d check %(send)s
"""


class World:
    """HAProxy with `send` before posternd with `handoff` before Postfix."""

    def __init__(self, lab, build, name, send, handoff):
        extra = "" if handoff == "xclient" else "smtpd_upstream_proxy_protocol = haproxy\n"
        self.postfix = lab.postfix(name="postfix-" + name, extra=extra)
        port, self.front = free_port(), free_port()
        self.posternd = lab.posternd(
            os.path.join(build, "posternd"),
            SETTINGS % {"port": port, "backend": self.postfix.port, "handoff": handoff},
            "postern-" + name)
        config = lab.write(f"haproxy-{name}.cfg",
                           HAPROXY % {"front": self.front, "port": port, "send": send})
        self.haproxy = lab.add(Process([program(), "-db", "-f", config],
                                       lab.path(f"haproxy-{name}.log")))
        until(lambda: answers(self.front), what="HAProxy")

    def logs(self):
        return self.haproxy.text() + self.posternd.process.text() + self.postfix.text()


def program():
    return "/usr/sbin/haproxy"


def play(tap, w, what, recipient):
    with tap.case(what + ": Postfix sees the client's address"):
        with Client(w.front, source="127.0.0.77") as c:
            equal(c.send("a@other.test", recipient,
                         message("a@other.test", recipient, "x")).code, 250, "the reply")
        stored = w.postfix.await_messages(recipient)[0].decode()
        matches(r"^Received: from client\.test \((\S+ )?\[127\.0\.0\.77\]\)\s+by mx\.example\.org", stored,
                "our field")
        matches(r"client=\S+\[127\.0\.0\.77\]", w.postfix.text(), "Postfix's log")
    with tap.case(what + ": a rule sees it too"):
        with Client(w.front, source="127.0.0.66", greet=False) as c:
            matches(r"^5\.7\.1 Blocked: 127\.0\.0\.66 ", c.reply().text, "the greeting")
    with tap.case(what + ": our probes find Postfix well"):
        lacks("event=backend-away", w.posternd.process.text(), "the log")
    with tap.case(what + ": HAProxy's checks find us well"):
        until(lambda: "helo=\"haproxy.test\"" in w.posternd.process.text(), what="a check")
        assert "DOWN" not in w.haproxy.text(), w.haproxy.text()


def main():
    build = need("posternd", "postfix", "haproxy")
    tap = Tap()
    with Lab() as lab:
        for name, send, handoff in (
                ("user1", "send-proxy", "proxy-protocol"),
                ("user2", "send-proxy-v2", "proxy-protocol v2"),
                ("user3", "send-proxy-v2 proxy-v2-options crc32c,unique-id", "xclient")):
            w = World(lab, build, name, send, handoff)
            tap.on_failure = w.logs
            play(tap, w, f"{send}, {handoff}", name + "@example.org")
    tap.finish()


if __name__ == "__main__":
    main()
