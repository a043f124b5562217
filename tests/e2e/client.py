"""client: an SMTP client that says exactly the octets it is told to, and nothing of its own."""

import collections
import re
import socket
import ssl

# code: of the reply; text: its lines without the code, joined by LF; lines: as they came
Reply = collections.namedtuple("Reply", "code text lines")

LIMIT = 60  # seconds without an octet


class Client:
    """A connection. greet: also reads the greeting and says EHLO."""

    def __init__(self, port, source="127.0.0.1", greet=True, xclient="", helo="client.test",
                 host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=LIMIT,
                                               source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.greeting = self.ehlo = None
        if greet:
            self.greeting = self.reply()
            self.ehlo = self.say(f"EHLO {helo}")
        if greet and xclient:
            said = self.say("XCLIENT " + xclient)
            assert said.code == 220, f"XCLIENT: {said}"
            self.ehlo = self.say(f"EHLO {helo}")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def reply(self):
        """The next reply; ConnectionError when there is none."""
        lines = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionError(f"the connection ended after {line!r}, {lines}")
            lines.append(line[:-2].decode("latin-1"))
            if not re.match(r"\d{3}[ -]", lines[-1]):
                raise ValueError(f"not a reply: {line!r}")
            if lines[-1][3] == " ":
                return Reply(int(lines[-1][:3]), "\n".join(l[4:] for l in lines), lines)

    def write(self, octets):
        self.socket.sendall(octets)

    def say(self, line):
        self.write(line.encode() + b"\r\n")
        return self.reply()

    def secure(self, context):
        """The handshake, after a 220; nothing may have been read behind that."""
        self.file.close()
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def end_output(self):
        """Says nothing more, and goes on listening; in the clear only."""
        if isinstance(self.socket, ssl.SSLSocket):
            return
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def ended(self):
        """Has the other side closed?"""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def data(self, message):
        """DATA and the message (octets, CRLF), dot-stuffed; the reply to its end. When DATA is
        refused, that reply."""
        said = self.say("DATA")
        if said.code != 354:
            return said
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        self.write(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return self.reply()

    def send(self, sender, recipient, message):
        """One message; the reply that decided."""
        said = self.say(f"MAIL FROM:<{sender}>")
        if said.code == 250:
            said = self.say(f"RCPT TO:<{recipient}>")
        if said.code == 250:
            said = self.data(message)
        return said


def identifier(reply):
    """The id of the journal's entry at the end of a reply."""
    found = re.search(r" \[([a-z0-9]{4,8})\]$", reply.text)
    assert found, f"no id at the end of {reply.text!r}"
    return found.group(1)
