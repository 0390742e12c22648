"""fault_injection.py HOST WHAT ARGUMENT…: faults injected into linked_fault_injection, in the present directory, and what must hold after it.

 faults CALL ERRNO STRIDE   the Nth CALL of the agent's fails, for every STRIDEth N until a run has none that many
 kills COUNT SEED           SIGKILL at a random moment of a capture, COUNT times
 two SECONDS                two processes rotate one directory, and until 30 incidents were seen
 moves                      the directory is moved, replaced by a link, by a stranger's, removed; a FIFO stands in the way
 latency COUNT              how long requests take while COUNT captures are made, and while none is: figures, no judgement
 disk                       the disk fills up, is read-only, and is well again (run in a mount namespace of its own)

After each: the host has the same output and status; every complete incident is what its index says, to the byte; none that
is not complete says so; nothing that was there before is lost or changed; the next incident is complete."""
import errno, json, os, random, shutil, signal, subprocess, sys, time, zlib

host, what, *arguments = sys.argv[1:]
STORE = os.path.abspath("d")
PATIENCE = 300  # seconds, for what never comes
LIBRARY = os.path.abspath("fail.so")


def fail(words, *more):
    print("FAILED:", words, *more)
    for name in ("log",):
        if os.path.exists(name):
            print(open(name, errors="replace").read()[-3000:])
    sys.exit(1)


# ---- what must hold ------------------------------------------------------------------------------------------------------
def is_incident(name):
    """One of a capture. Those of boxes (previous-run-died) have tests of their own."""
    return name[:2] == "20" and "Z-faults-" in name


def read(path):
    with open(path, "rb") as file:
        return file.read()


def whole(folder):
    """Is every file of the complete incident what its index says? Gives the index."""
    index = json.loads(read(folder + "/incident.json"))
    for entry in index["files"]:
        there = read("%s/%s" % (folder, entry["name"]))
        if len(there) != entry["size"] or "%08x" % zlib.crc32(there) != entry["crc32"]:
            fail("%s/%s is not what its index says" % (folder, entry["name"]))
    wanted = {"summary.txt", "heap.pb.gz", "threads.pb.gz", "threads.txt", "metrics.json", "rules.json", "maps.txt"}
    missing = wanted - {entry["name"] for entry in index["files"]}
    if index["complete"] and (missing or index["errors"]):
        fail("%s says it is complete, lacks %s, and says of it: %s" % (folder, missing, index["errors"]))
    if not index["complete"] and not index["errors"]:
        fail("%s is not complete and does not say why" % folder)
    return index


def look(store=None):
    """The incidents in STORE, each looked at: name to index."""
    store = store or STORE
    return {name: whole("%s/%s" % (store, name)) for name in sorted(os.listdir(store)) if is_incident(name)}


def well(indexes):
    return [name for name, index in indexes.items() if index["complete"]]


def captured(indexes):
    """Those whose capture went on to its end, though a part of it may have failed."""
    return [name for name, index in indexes.items() if not any("was interrupted" in error for error in index["errors"])]


def dots():
    return [name for name in os.listdir(STORE) if name.startswith(".") and name not in (".lock", ".live", ".history")]


def contents(folder):
    return {name: read("%s/%s" % (folder, name)) for name in os.listdir(folder)}


# What came of each capture; None: the start was refused, and the host went on.
def run(*args, env=None, status=0, may_refuse=False):
    done = subprocess.run([host, *args], capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ, **(env or {})))
    if done.returncode != status:
        fail("the host ended with", done.returncode, done.stdout, done.stderr)
    lines = done.stdout.split("\n")
    if may_refuse and lines[0].startswith("start E") and lines[-2:] == ["done", ""]:
        return None
    if lines[0] != "start ok" or lines[-2:] != ["done", ""]:
        fail("the host said", done.stdout)
    return [line.split()[1] for line in lines[1:-2]]


class Steps:
    """A host that captures each time it is told to."""
    def __init__(self):
        self.process = subprocess.Popen([host, "steps"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say("start ok")

    def say(self, wanted):
        line = self.process.stdout.readline().strip()
        if line != wanted:
            fail("the host said \"%s\", and not \"%s\"" % (line, wanted))

    def capture(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != "capture":
            fail("the host said", line)
        return line[1]

    def end(self):
        self.process.stdin.close()
        self.say("done")
        if self.process.wait(PATIENCE):
            fail("the host ended with", self.process.returncode)


def fresh(older=1):
    """A store with incidents in it: their contents."""
    shutil.rmtree(STORE, ignore_errors=True)
    run("captures", str(older))
    return {name: contents("%s/%s" % (STORE, name)) for name in look()}


def still_there(before):
    for name, files in before.items():
        if not os.path.isdir("%s/%s" % (STORE, name)) or contents("%s/%s" % (STORE, name)) != files:
            fail("an older incident is lost or changed:", name)


# ---- one call fails ------------------------------------------------------------------------------------------------------
def faults(call, error, stride):
    before, at, told = fresh(), 1, os.path.abspath("told")
    os.unlink("log")
    while True:
        for name in os.listdir(STORE):
            if name not in before and name not in (".lock", ".live"):
                shutil.rmtree("%s/%s" % (STORE, name))
        if os.path.exists(told):
            os.unlink(told)
        results = run("captures", "2", may_refuse=True, env={"LD_PRELOAD": LIBRARY, "FAIL_CALL": call, "FAIL_AT": str(at), "FAIL_TOLD": told,
                                            "FAIL_ERRNO": str(getattr(errno, error))})
        still_there(before)
        now = look()
        if not os.path.exists(told):
            break
        for path in [line.split(": info: incident: ")[1].strip() for line in open("log") if ": info: incident: " in line]:
            if os.path.basename(path) not in now and "previous-run-died" not in path:
                fail("the log says", path)
        os.unlink("log")
        hit = "%s number %d" % (call, at)
        if results is None:
            if now.keys() - before.keys():
                fail("after", hit, "there is an incident of a watch that was refused:", list(now))
            at += stride
            continue
        if results.count("ok") < 1 or len(well(now)) < 1 + len(before):
            fail("after", hit, "the next incident is not complete:", results, {n: i["errors"] for n, i in now.items()})
        if results.count("ok") != len(captured(now)) - len(before):
            fail("after", hit, results, "does not fit", list(now))
        at += stride
    if run("captures", "1") != ["ok"] or dots():
        fail("left behind:", dots())
    print("%s: %d times" % (call, (at - 1) // stride))
    if at == 1:
        fail("%s is never called" % call)


# ---- the host is killed ----------------------------------------------------------------------------------------------------
def killed_in_the_middle(draw):
    """A host that captures without end is killed at a random moment after its first capture."""
    process = subprocess.Popen([host, "captures", "100000"], stdout=subprocess.PIPE, text=True)
    for _ in range(2):  # "start ok", "capture ok"
        process.stdout.readline()
    time.sleep(draw.uniform(0, 0.25))
    process.send_signal(signal.SIGKILL)
    process.wait()


def kills(count, seed):
    """COUNT kills, and more until a fifth of COUNT fell into captures: when they do is up to the machine."""
    draw, done, cut, captures = random.Random(seed), 0, 0, 0
    while done < count or cut < count // 5:
        if done == 20 * count:
            fail("of %d kills, %d were in a capture" % (done, cut))
        done += 1
        before = fresh()
        killed_in_the_middle(draw)
        complete = {name: contents("%s/%s" % (STORE, name)) for name, index in look().items()}
        cut += bool(dots())
        captures += len(complete) - len(before)
        if run("captures", "1") != ["ok"]:
            fail("the next capture failed")
        still_there(complete)
        after = look()
        if dots() or len(well(after)) != len(complete) + 1:
            fail("after the next start:", dots(), well(after))
        not_complete = [name for name, index in after.items() if not index["complete"]]
        if any(name in complete for name in not_complete) or len(not_complete) > 1:
            fail("not complete:", not_complete)
    print("%d kills, %d of them in a capture, after %d captures" % (done, cut, captures))


# ---- two at one directory ----------------------------------------------------------------------------------------------------
def two(seconds):
    keep, most = 3, 0
    shutil.rmtree(STORE, ignore_errors=True)
    os.makedirs(STORE, 0o700)
    foreign = ["notes.txt", "20200101T000000.000Z-faults-1.txt", ".hidden", "backup/x", "20200101T000000.000Z-faults-1/mine"]
    for name in foreign:
        os.makedirs(os.path.dirname("%s/%s" % (STORE, name)), exist_ok=True)
        with open("%s/%s" % (STORE, name), "w") as file:
            file.write(name)
    processes = [subprocess.Popen([host, "captures", "1000000"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    began, seen = time.time(), set()
    while time.time() < began + seconds or len(seen) < 30:
        there = {name for name in os.listdir(STORE) if is_incident(name) and os.path.exists("%s/%s/incident.json" % (STORE, name))}
        seen |= there
        most = max(most, len(there))
        if time.time() > began + seconds + PATIENCE:
            fail("only %d incidents were seen" % len(seen))
        time.sleep(0.01)
    made = 0
    for process in processes:
        if process.poll() is not None:
            fail("one ended with", process.returncode)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        process.wait()  # its output ends before the watcher, which has descriptors of its own, lets go of the folder
        made += lines.count("capture ok")
        if lines.count("capture ok") < len(lines) - 2:
            fail("one said", set(lines))
    # Each has published one before it rotates: 5. A process that waits for the other's rotation for half a second leaves it to
    # that one, so on a busy machine it may be a few more for a while.
    if most > 3 * keep:
        fail("%d incidents stood there at once" % most)
    for name in foreign:
        if read("%s/%s" % (STORE, name)).decode() != name:
            fail("changed:", name)
    if run("captures", "1") != ["ok"] or dots() != [".hidden"]:
        fail("left behind:", dots())
    there = [name for name in os.listdir(STORE) if is_incident(name) and os.path.exists("%s/%s/incident.json" % (STORE, name))]
    if len(there) > keep + 1:  # the first of all stays as the highest of equals
        fail("there are", there)
    print("%d incidents by two, at most %d at once" % (made, most))


# ---- the directory is not what it was ------------------------------------------------------------------------------------------
def moves():
    before = fresh()
    steps = Steps()

    def comes_to(where, result="ok"):
        count = len(well(look(where)))
        if steps.capture() != result or len(well(look(where))) != count + 1:
            fail("no incident came to", where)
    comes_to(STORE)
    os.rename(STORE, "moved")
    comes_to("moved")
    os.makedirs("elsewhere", 0o700)
    os.symlink("elsewhere", STORE)
    comes_to("moved")
    os.unlink(STORE)
    os.mkfifo(STORE)
    comes_to("moved")
    os.unlink(STORE)
    os.makedirs(STORE, 0o700)
    comes_to(STORE)
    shutil.rmtree(STORE)
    os.symlink("elsewhere", STORE)
    if steps.capture() == "ok":
        fail("it went through a link")
    os.unlink(STORE)
    os.mkfifo(STORE)
    if steps.capture() == "ok":
        fail("it went through a FIFO")
    os.unlink(STORE)
    if steps.capture() != "ok" or len(well(look())) != 1:  # made again
        fail("it was not made again")
    steps.end()
    if os.listdir("elsewhere"):
        fail("something was written through a link:", os.listdir("elsewhere"))
    shutil.rmtree(STORE)
    os.rename("moved", STORE)
    still_there(before)
    print("moved, replaced, removed")


# ---- the disk -------------------------------------------------------------------------------------------------------------------
def mount(*args):
    subprocess.run(["mount", *args], check=True)


def fill(leave):
    """Fill the disk up to LEAVE bytes."""
    if os.path.exists("disk/filler"):
        os.unlink("disk/filler")
    room = os.statvfs("disk")
    with open("disk/filler", "wb", buffering=0) as file:
        try:
            file.write(b"x" * max(0, room.f_bavail * room.f_bsize - leave))
        except OSError as error:  # the box has grown meanwhile: then it is full
            if error.errno != errno.ENOSPC:
                raise


def disk():
    global STORE
    os.mkdir("disk")
    mount("-t", "tmpfs", "-o", "size=2m", "none", "disk")
    STORE = os.environ["GUMSHOE_DIR"] = os.path.abspath("disk/d")
    before = fresh()
    lost = parts = 0
    steps = Steps()
    for leave in list(range(0, 160 << 10, 4 << 10)):
        fill(leave)
        now = set(look())
        result = steps.capture()
        still_there(before)
        after = look()
        lost += result != "ok"
        parts += sum(bool(index["errors"]) for name, index in after.items() if name not in now)
        if result == "ok" and len([n for n in captured(after) if n not in now]) != 1:
            fail("no new incident")
        for name in after:
            if name not in before:
                shutil.rmtree("%s/%s" % (STORE, name))
    os.unlink("disk/filler")
    if steps.capture() != "ok" or len(well(look())) != len(before) + 1 or dots():
        fail("it did not go on when there was room again", dots(), look())
    steps.end()
    # A disk with a file that is open for writing cannot be made read-only by hand: the black box lies on another one here.
    mount("-t", "tmpfs", "-o", "size=2m,mode=700", "none", STORE + "/.live")
    steps, before = Steps(), {name: contents("%s/%s" % (STORE, name)) for name in look()}
    mount("-o", "remount,ro", "disk")
    if steps.capture() == "ok":
        fail("it wrote to a disk that is read-only")
    still_there(before)
    mount("-o", "remount,rw", "disk")
    if steps.capture() != "ok" or dots():
        fail("it did not go on when the disk could be written again")
    steps.end()
    subprocess.run(["umount", STORE + "/.live", "disk"], check=True)
    print("%d incidents lost, %d cut, by a full disk" % (lost, parts))
    if not lost or not parts:
        fail("the disk was never full in the middle")


# ---- what it costs ----------------------------------------------------------------------------------------------------------------
def latency(count):
    done = subprocess.run([host, "latency", str(count)], capture_output=True, text=True)
    if done.returncode:
        fail("the host ended with", done.returncode)
    print("requests of 50 allocations, %d captures:" % count)
    print("".join("  %s\n" % line for line in done.stdout.split("\n") if ": " in line), end="")


if what == "faults":
    faults(arguments[0], arguments[1], int(arguments[2]))
elif what == "kills":
    kills(int(arguments[0]), int(arguments[1]))
elif what == "two":
    two(float(arguments[0]))
elif what == "moves":
    moves()
elif what == "latency":
    latency(int(arguments[0]))
elif what == "disk":
    disk()
else:
    sys.exit(__doc__)
