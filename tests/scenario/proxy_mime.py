"""What a message holds, as rules see it in a running posternd: with its sandbox on, and a body that does not
fit in memory."""

import base64

import play
from play import Client, MTA, Postern, stuffed

RULES = """at message {
    reject 552 5.7.0 "No programs: ${attachment.names}"  if attachment.extensions in { "exe" }
    reject 550 5.7.1 "Subject: ${header(\\"Subject\\")}"     if header("Subject") contains "テスト"
    reject 550 5.6.0 "Ambiguous: ${mime.defects}"        if mime.defects contains "boundary-repeated"
}
"""
CASES = []


def case(function):
    def run():
        mta = MTA()
        try:
            postern = Postern(mta.port, "header_size 32k; message_memory 64k", RULES)
            try:
                function(mta, postern)
            finally:
                postern.stop()
        finally:
            mta.stop()
    CASES.append((function.__doc__, run))
    return function


def send(postern, message, code, text=b""):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(stuffed(message))
    c.expect(code, text)
    c.say("QUIT", 221)
    c.close()


def mixed(boundary, name):
    return (b"Subject: x\r\nContent-Type: multipart/mixed; " + boundary + b"\r\n\r\n"
            b"--a\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
            b"--a\r\nContent-Type: application/octet-stream; name*=utf-8''" + name + b"\r\n\r\n"
            + base64.encodebytes(b"x" * 2000000).replace(b"\n", b"\r\n") + b"--a--\r\n")


@case
def subjects(mta, postern):
    "a subject in a character set that has to be looked up on the disk is decoded"
    jp = b"Subject: =?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=\r\n\r\nx\r\n"
    send(postern, jp, 550, b"Subject: ")
    send(postern, jp.replace(b"iso-2022-jp", b"utf-8").replace(b"GyRCJUYlOSVIGyhC", b"44OG44K544OI"), 550)
    send(postern, b"Subject: test\r\n\r\nx\r\n", 250)
    assert len(mta.taken) == 1


@case
def attachments(mta, postern):
    "names of attachments are found in a message that is held in a file"
    send(postern, mixed(b"boundary=a", b"%41.exe"), 552, b"No programs: A.exe")
    send(postern, mixed(b"boundary=a", b"%41.exe.txt"), 250)
    send(postern, mixed(b"boundary=a; boundary=b", b"%41.txt"), 550, b"Ambiguous: boundary-repeated, parameter-repeated")
    assert len(mta.taken) == 1


if __name__ == "__main__":
    play.main(CASES)
