"""Files of lists that change while mail comes, in whatever way files are changed. The old list is in force until a new one
is whole, and the log says what became of it."""

import os
import re
import shutil
import tempfile
import threading
import time

import play
from play import MTA, Client, Postern, Skip, until

CASES = []
STILL = 1.0  # seconds without a change after which a file is taken


def case(function):
    def run():
        with World() as w:
            function(w)
    CASES.append((function.__doc__, run))
    return function


class World:
    """A posternd with three lists in files: `bad` and `worse` in a folder of theirs, `large` beside it. Each has a domain of
    its name at first."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="postern-lists-")
        os.chmod(self.top, 0o755)
        self.folder, self.large = self.top + "/lists", self.top + "/large.list"
        self.bad, self.worse = self.folder + "/bad.list", self.folder + "/worse.list"
        os.mkdir(self.folder)
        for name in ("bad", "worse"):
            write("%s/%s.list" % (self.folder, name), name + ".example\n")
        write(self.large, "large.example\n")

    def __enter__(self):
        self.mta = MTA()
        # There is something to warn of, too, which is no reason to keep a list.
        settings = ('watch lists 100ms\nlist nobody { "unused.example" }\n'
                    + "".join('list %s { file "%s" }\n' % (name, path) for name, path in
                              (("large", self.large), ("bad", self.bad), ("worse", self.worse))))
        if os.geteuid() == 0:
            settings += 'user "nobody"\n'
        self.postern = Postern(self.mta.port, settings, "at mail { reject 550 5.7.1 \"Bad\" "
                               "if sender in bad or sender in worse or sender in large }", threads=2)
        return self

    def __exit__(self, kind, *_):
        self.mta.stop()
        try:
            self.postern.stop()
        except AssertionError:
            if kind is None:
                raise
        finally:
            shutil.rmtree(self.top, ignore_errors=True)

    def count(self, text):
        return len(re.findall(text, self.postern.log_text()))

    def is_listed(self, name):
        """What MAIL is answered in a connection that begins now."""
        c = Client(self.postern)
        c.hello()
        c.send(b"MAIL FROM:<a@%s.example>\r\n" % name.encode())
        code = c.reply()[0]
        c.close()
        assert code in (250, 550), code
        return code == 550

    def becomes(self, *listed, gone=()):
        for name in listed:
            until(lambda name=name: self.is_listed(name), name + " to be listed")
        for name in gone:
            until(lambda name=name: not self.is_listed(name), name + " to be gone")

    def taken(self):
        return self.count("event=reload result=ok")

    def kept(self, why, times=1):
        """Waits for the log to say so. What was in force is."""
        line = r'event=watch file="%s/\w+\.list" result=kept why="[^\n]*%s' % (self.folder, why)
        until(lambda: self.count(line) >= times, why)
        assert self.is_listed("bad")

    def nothing_while(self, change, seconds=2 * STILL):
        """Calls change(n) over and over for so long; meanwhile nothing is taken, and what was in force is. n of the last."""
        before, end, at = self.taken(), time.monotonic() + seconds, [time.monotonic()]

        def run():
            while at[-1] < end:
                change(len(at))
                at.append(time.monotonic())
                time.sleep(0.02)
        thread, was_listed = threading.Thread(target=run), True
        thread.start()
        while thread.is_alive():
            was_listed &= self.is_listed("bad")
        if max(b - a for a, b in zip(at, at[1:])) > 0.9 * STILL:
            raise Skip("this machine is too busy to change a file without a pause")
        assert was_listed and self.taken() == before, self.postern.log_text()
        return len(at) - 1


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def replace(path, text):
    write(path + ".new", text)
    os.rename(path + ".new", path)


@case
def several(w):
    """Two files of a folder that are replaced one after the other are taken together"""
    replace(w.bad, "bad.example\nnew.example\n")
    replace(w.worse, "new2.example\n")
    w.becomes("new", "new2", "bad", gone=["worse"])
    assert w.count("event=watch") == w.taken() == 1, w.postern.log_text()


@case
def in_place(w):
    """A file that is slowly written over in place is taken once it is whole"""
    with open(w.bad, "w") as f:
        last = w.nothing_while(lambda n: print("new%d.example" % n, file=f, flush=True))
        f.write("bad.example\n")
    w.becomes("new1", "new%d" % last, "bad")
    assert w.count("event=watch") == w.taken() == 1, w.postern.log_text()


@case
def while_another_loads(w):
    """A file that begins to be written while lists are being read is waited for"""
    replace(w.large, "".join("%d.example\n" % n for n in range(200000)) + "large.example\n")
    # The master has read all lists then, and the worker begins with the large one.
    until(lambda: w.count("event=watch [^\n]* result=reload"), "the master")
    with open(w.bad, "w") as f:
        last = w.nothing_while(lambda n: print("new%d.example" % n, file=f, flush=True))
        f.write("bad.example\n")
    w.becomes("new1", "new%d" % last, "bad", "large", "199999")


@case
def removed(w):
    """A file that is removed leaves its list as it was, and the log says so once; one that comes back is taken"""
    os.rename(w.bad, w.bad + ".away")
    w.kept(r"cannot read \S*bad.list: No such file")
    w.nothing_while(lambda n: None, STILL / 2)
    os.rename(w.bad + ".away", w.bad)
    until(lambda: w.taken() == 1, "the same file")
    os.unlink(w.bad)
    w.kept(r"cannot read \S*bad.list: No such file", 2)
    write(w.bad, "new.example\n")
    w.becomes("new", gone=["bad"])
    assert w.count("result=kept") == 2 and w.taken() == 2, w.postern.log_text()


@case
def links(w):
    """A symbolic link in its place is followed, wherever it leads then, and so is what is behind it"""
    for n in range(3):
        os.mkdir("%s/%d" % (w.folder, n))
        write("%s/%d/list" % (w.folder, n), "bad.example\nnew%d.example\n" % n)
    for n in range(2):
        os.symlink("%d/list" % n, w.bad + ".new")
        os.rename(w.bad + ".new", w.bad)
        w.becomes("new%d" % n)
    replace(w.folder + "/1/list", "bad.example\nnewer.example\n")
    w.becomes("newer", gone=["new1"])
    # A folder is what the link leads to.
    os.unlink(w.bad)
    os.symlink("0", w.folder + "/current")
    os.symlink("current/list", w.bad)
    w.becomes("new0", gone=["newer"])
    os.symlink("2", w.folder + "/current.new")
    os.rename(w.folder + "/current.new", w.folder + "/current")
    w.becomes("new2", gone=["new0"])
    os.unlink(w.folder + "/current")
    w.kept("No such file")


@case
def no_file(w):
    """What is no file in its place is said to be none"""
    os.rename(w.bad, w.bad + ".away")
    os.mkdir(w.bad)
    w.kept("Is a directory")
    os.rmdir(w.bad)
    os.mkfifo(w.bad)
    w.kept("it is not a file")
    os.unlink(w.bad)
    os.symlink("bad.list", w.bad)
    w.kept("Too many levels of symbolic links")
    replace(w.bad, "new.example\n")
    w.becomes("new", gone=["bad"])


@case
def rights(w):
    """A file that may not be read any more is told of at once, and taken when it may be again"""
    os.chmod(w.bad, 0)
    w.kept("Permission denied")
    w.nothing_while(lambda n: None, STILL / 2)
    os.chmod(w.bad, 0o644)
    until(lambda: w.taken() == 1, "it to be read again")
    assert w.is_listed("bad")


@case
def restless(w):
    """A file that is replaced many times a second is taken when it is left alone"""
    last = w.nothing_while(lambda n: replace(w.bad, "bad.example\nnew%d.example\n" % n))
    w.becomes("new%d" % last, "bad")
    assert w.taken() == 1, w.postern.log_text()


@case
def same_size(w):
    """A file of the same size and time is another one nevertheless"""
    before = os.stat(w.bad)
    write(w.bad, "new.example\n")
    os.utime(w.bad, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(w.bad).st_mtime_ns == before.st_mtime_ns
    w.becomes("new", gone=["bad"])


@case
def mistakes(w):
    """Lines with mistakes keep all lists as they are; the log says which file and line it was"""
    replace(w.worse, "new.example\n")
    replace(w.bad, "bad.example\n# a comment\nnew2.example\n192.0.2.0/99\n")
    w.kept(r"bad\.list:4:1: error: ")
    assert w.is_listed("worse") and not w.is_listed("new")
    w.nothing_while(lambda n: None, STILL / 2)
    replace(w.bad, "new2.example\n192.0.2.0/24\n")
    w.becomes("new", "new2", gone=["bad", "worse"])
    assert w.count("result=kept") == 1 and w.taken() == 1, w.postern.log_text()


@case
def folders(w):
    """A folder that is moved away, and another one that takes its place"""
    os.rename(w.folder, w.top + "/away")
    w.kept("No such file")
    os.mkdir(w.top + "/next")
    write(w.top + "/next/bad.list", "new.example\n")
    write(w.top + "/next/worse.list", "new2.example\n")
    os.rename(w.top + "/next", w.folder)
    w.becomes("new", "new2", gone=["bad", "worse"])
    # And back, with files that are as they were.
    os.rename(w.folder, w.top + "/next")
    os.rename(w.top + "/away", w.folder)
    w.becomes("bad", "worse", gone=["new", "new2"])


if __name__ == "__main__":
    play.main(CASES)
