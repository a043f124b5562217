"""`postern why` of refusals by a running posternd: for every one of a set of rules, what it says would have let
the message pass is done for real, in the DNS or in the configuration, and then lets it pass."""

import datetime
import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import termios
import threading
import time

import play
import world
from play import Client
from world import Cases

RULES = """
list partners { "partner.example" }
list banned { "banned.example" }
greylist { delay 3s; longest 1h; use spf off; use name off }
at connect { reject 554 5.7.1 "${client.ip} is listed" if listed("bl.example") }
at helo {
    reject 550 5.7.1 "No names of toys" if helo ends with ".toy"
    reject 550 5.7.1 "Dynamic" if helo matches /^[0-9-]+\\.dyn/
}
at mail {
    accept if sender in partners
    reject 550 5.7.23 "SPF: ${spf.explanation}" if spf is fail
    reject 550 5.7.1 "Banned" if sender in banned
    score 4 if sender.domain is "points.example"
}
at rcpt {
    accept if sender.domain is not "grey.example"
    tempfail 451 4.7.1 "Greylisted for ${greylist.wait}" if greylist is waiting
}
at message {
    mark many if header.count > 12
    mark large if message.size > 50000
    reject 550 5.6.0 "Too many From fields" if from.count > 1
    score 4 if message.size > 2000
    reject 550 5.7.1 "Points" if score >= 8
    reject 550 5.6.1 "Odd" if marked many or marked large or helo matches /^odd-/
}
"""
MESSAGE = b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n"
CASES = Cases()
case = CASES.add


class Dns:
    """Answers from a table: {(name, type): [data]}; all else does not exist."""

    TYPES = {1: "A", 12: "PTR", 16: "TXT"}

    def __init__(self):
        self.records = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += 1 + query[at]
            question = query[12:at + 5]
            kind = self.TYPES.get(int.from_bytes(query[at + 1:at + 3], "big"))
            name = ".".join(labels)
            data = self.records.get((name, kind), [])
            known = any(n == name for n, _ in self.records)
            answer = b"".join(b"\xc0\x0c" + query[at + 1:at + 5] + bytes(4) + len(d).to_bytes(2, "big") + d
                              for d in data)
            self.socket.sendto(query[:2] + bytes([0x85, 0x80 if known else 0x83, 0, 1]) +
                               len(data).to_bytes(2, "big") + bytes(4) + question + answer, peer)

    def txt(self, name, text):
        self.records[name, "TXT"] = [bytes([len(text)]) + text.encode()]


class World(world.World):
    def __init__(self, dns, rules=RULES):
        super().__init__(rules=rules, dns_port=dns.port)

    def __enter__(self):
        return self.postern


def attempt(postern, sender="a@example.net", helo="client.example", message=MESSAGE):
    """The code that decided, and the id in brackets behind it."""
    c = Client(postern, greet=False)
    code, text = c.reply()
    for line in ("EHLO " + helo, "MAIL FROM:<%s>" % sender, "RCPT TO:<b@example.org>", "DATA"):
        if code not in (220, 250):
            break
        c.send(line.encode() + b"\r\n")
        code, text = c.reply()
    if code == 354:
        c.send(play.stuffed(message) + b".\r\n")
        code, text = c.reply()
    c.close()
    found = re.search(rb"\[([0-9a-z]{6})\]", text)
    return code, found and found.group(1).decode()


def why(postern, entry, *options):
    return json.loads(postern.command("why", "--json", *options, entry)[1])


def rules_of(postern):
    with open(postern.conf) as f:
        return f.read()


def altered(conf, change):
    """The rules with what an administrator would change."""
    lines = conf.splitlines(keepends=True)
    if change["change"] == "observe":
        n = int(change["name"].rsplit(":", 1)[1]) - 1
        lines[n] = re.sub(r"^(\s*(at \w+ { )?)", r"\1observe ", lines[n])
    else:
        assert change["list"] == "partners", change
        lines = [line.replace('{ "partner.example"', '{ "partner.example", "%s"' % change["entry"])
                 for line in lines]
    text = "".join(lines)
    assert text != conf
    return text.split("store sqlite\n", 1)[1]


def allowed(what, dns):
    """The exception that is told of lets it in."""
    with World(dns()) as postern:
        _, entry = attempt(postern, **what)
        postern.command("allow", "--yes", entry)
        play.until(lambda: attempt(postern, **what)[0] == 250, "the exception")


def mended(what, mend, dns):
    """Provokes a refusal, and does each thing that is said to let it pass. what: of attempt(). mend: for each fact what is
    done about it: other arguments of attempt(), or a function of the DNS."""
    with World(dns()) as postern:
        code, entry = attempt(postern, **what)
        assert code >= 400 and entry, code
        told = why(postern, entry)
        conf = rules_of(postern)
    assert told["rule"].startswith("postern.conf:"), told["rule"]
    names = [c["name"] if c["change"] in ("fact", "score") else c["change"]
             for s in told["changes"] for c in s["all"]]
    assert sorted(names) == sorted(list(mend) + ["allow", "observe"]), (names, told["changes"])
    for one in told["changes"]:
        assert "then" not in one, one
        arguments, rules, server = dict(what), None, dns()
        for change in one["all"]:
            if change["change"] == "allow":
                allowed(what, dns)
            elif change["change"] in ("entry", "observe"):
                rules = altered(conf, change)
            elif callable(mend[change["name"]]):
                mend[change["name"]](server)
            else:
                arguments.update(mend[change["name"]])
        if one["all"][0]["change"] == "allow":
            continue
        with World(server, *([rules] if rules else [])) as postern:
            code, entry = attempt(postern, **arguments)
            assert code == 250, (one, code, entry and why(postern, entry)["rule"])
    return told


def nobody():
    return Dns()


def strict():
    dns = Dns()
    dns.txt("example.net", "v=spf1 ip4:198.51.100.0/24 -all")
    return dns


def listing():
    dns = Dns()
    dns.records["1.0.0.127.bl.example", "A"] = [bytes([127, 0, 0, 2])]
    return dns


@case
def listed():
    "An address on a block list"
    told = mended({}, {'listed("bl.example")': lambda dns: dns.records.clear()}, listing)
    assert told["stages"][0]["stage"] == "listed" and told["stages"][0]["questions"] == 1, told["stages"]


@case
def helo():
    "The name in HELO"
    mended({"helo": "a.toy"}, {"helo": {"helo": "a.example"}}, nobody)


@case
def dynamic():
    "A regular expression, with all else that the name must not be"
    told = mended({"helo": "1-2.dyn.example"}, {"helo": {"helo": "a.example"}}, nobody)
    words = told["changes"][0]["all"][0]["would_be"]
    assert words.startswith("one that /^[0-9-]+\\.dyn/ does not match, and ") and 'not ending in ".toy"' in words, words


@case
def odd():
    "Three things at once"
    message = b"".join(b"X-%d: y\r\n" % i for i in range(12)) + MESSAGE + b"0123456789\r\n" * 5000
    told = mended({"helo": "odd-1.example", "message": message},
                  {"helo": {"helo": "a.example"}, "header.count": {}, "message.size": {"message": MESSAGE}}, nobody)
    assert [len(one["all"]) for one in told["changes"]] == [3, 1, 1], told["changes"]


@case
def whatever():
    "What no change lets in is said to be so"
    with World(nobody(), 'at mail { reject 550 5.7.1 "No" if client.name is "" or client.name is not "" }') as postern:
        code, entry = attempt(postern)
        told = why(postern, entry)
        assert code == 550 and told["changes_searched"] is None and told["changes_not_tried"] == [], told
        assert [c["change"] for s in told["changes"] for c in s["all"]] == ["allow", "observe"], told["changes"]
        assert "no other values of what the rules ask for\n" in postern.command("why", entry)[1]


@case
def spf():
    "SPF, with a rule before it that would have let it in"
    told = mended({}, {"spf": lambda dns: dns.txt("example.net", "v=spf1 ip4:127.0.0.1 -all"), "entry": None}, strict)
    assert told["changes"][0]["all"][0]["would_be"] == "anything but fail", told["changes"]
    assert [a["for"] for a in told["answers"]] == ["listed", "spf"], told["answers"]


@case
def banned():
    "A list of those who are not let in"
    mended({"sender": "x@banned.example"}, {"sender": {"sender": "x@other.example"}, "entry": None}, nobody)


@case
def from_fields():
    "A number in the message"
    mended({"message": b"From: b@example.org\r\n" + MESSAGE}, {"from.count": {"message": MESSAGE}}, nobody)


@case
def points():
    "Points of two steps"
    what = {"sender": "x@points.example", "message": MESSAGE + b"\r\n" * 2000}
    told = mended(what, {"message.size": {"message": MESSAGE}, "score": {"sender": "x@other.example"}}, nobody)
    assert told["changes"][1]["all"][0]["was"] == "8", told["changes"]


@case
def greylist():
    "Greylisting, which passes at the time that is told"
    what = {"sender": "x@grey.example"}
    with World(nobody()) as postern:
        code, entry = attempt(postern, **what)
        assert code == 451, code
        found = [c for s in why(postern, entry)["changes"] for c in s["all"] if c["name"] == "greylist"]
        again = datetime.datetime.fromisoformat(found[0]["again"].replace("Z", "+00:00")).timestamp()
        letter = why(postern, entry, "--for-sender")
        assert letter["again"] == found[0]["again"], letter
        early = attempt(postern, **what)[0]
        assert early == 451 or time.time() >= again, early
        play.until(lambda: time.time() >= again, "the end of the delay")
        assert attempt(postern, **what)[0] == 250
    told = mended(what, {"greylist": {"sender": "x@other.example"}, "sender.domain": {"sender": "x@other.example"}}, nobody)
    assert told["verdict"] == "tempfail"


@case
def letter():
    "What is sent to the one who complains names nothing that is not his"
    with World(strict()) as postern:
        code, entry = attempt(postern)
        text = postern.command("why", "--for-sender", entry)[1]
        assert "example.net TXT: v=spf1 ip4:198.51.100.0/24 -all" in text, text
        assert "Let the SPF record of example.net name 127.0.0.1" in text, text
        for word in ("postern", "rule", "partners", "bl.example", "session"):
            assert word not in text.lower().replace("[" + entry + "]", ""), (word, text)
        assert max(len(line) for line in text.splitlines()) <= 80, text
        assert why(postern, entry, "--for-sender")["seen"] == ["example.net TXT: v=spf1 ip4:198.51.100.0/24 -all"]


def on_terminal(postern, environment, *words):
    """What it prints on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([play.postern(), "-c", postern.conf, *words], stdout=theirs,
                          env=dict(os.environ, **environment)) as process:
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 65536):
                text += piece
        except OSError:
            pass  # the other end is closed
        assert process.wait() == 0
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


@case
def terminal():
    "On a terminal of 80 columns no line is longer, nothing is cut, and colours are used unless NO_COLOR is set"
    with World(strict()) as postern:
        code, entry = attempt(postern)
        plain = on_terminal(postern, {"NO_COLOR": "1"}, "why", entry)
        assert "\033" not in plain
        assert max(len(line) for line in plain.splitlines()) <= 80, plain
        words = " ".join(plain.split())
        for line in postern.command("why", entry)[1].splitlines():
            assert " ".join(line.split()) in words, (line, plain)
        coloured = on_terminal(postern, {"NO_COLOR": ""}, "why", entry)
        assert "\033[31mRefused for good at mail: from a@example.net, by 127.0.0.1\033[0m\n" in coloured, coloured
        assert re.sub("\033\\[[0-9]*m", "", coloured) == plain, (coloured, plain)


@case
def another_configuration():
    "A configuration that has changed since is told of, and what it would say today"
    with World(strict()) as postern:
        code, entry = attempt(postern)
        with open(postern.conf, "a") as f:
            f.write("\n# a remark\n")
        assert "This is by the configuration of today, which is another one." in postern.command("why", entry)[1]
        conf = rules_of(postern).replace("reject 550 5.7.23", "observe reject 550 5.7.23")
        with open(postern.conf, "w") as f:
            f.write(conf)
        assert "By the configuration of today it would pass." in postern.command("why", entry)[1]
        with open(postern.conf, "w") as f:
            f.write("hostname")
        folder = postern.folder
        text = postern.command("--database", folder, "why", entry)[1]
        assert "Refused for good at mail" in text and "let it pass" not in text, text


if __name__ == "__main__":
    play.main(CASES)
