"""memory_fails.py HOST WAY STRIDE [MANY]: runs HOST (memory_fails.c) in the present directory, and looks at all that it leaves.

What must hold, whichever allocation of the agent's failed: the host ends as it should; every incident.json is JSON; none says
"complete" unless all that an undisturbed incident has is there, to the byte of the index, and says the same; one that is not
complete says what is missing; the same thing done again succeeds."""
import gzip, json, os, shutil, subprocess, sys, zlib

host, way, stride, *more = sys.argv[1:]
many = more[0] if more else "1"
STORE = os.environ["GUMSHOE_DIR"]
TEXTS = {"summary.txt": "\nread on: gumshoe top", "threads.txt": "\n\n", "maps.txt": "\n"}


def fail(words, *rest):
    print("FAILED:", words, *rest)
    sys.exit(1)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run(*arguments, status=0):
    done = subprocess.run([host, *arguments], capture_output=True, text=True, timeout=900)
    if done.returncode != status:
        fail("the host ended with %d:" % done.returncode, done.stdout[-200:], done.stderr[-500:])
    return done.stdout.split("\n")


# ---- one incident --------------------------------------------------------------------------------------------------------
def contents(folder, entry):
    """The file that ENTRY of the index names: is it what the index says, and whole?"""
    name, there = entry["name"], read("%s/%s" % (folder, entry["name"]))
    if len(there) != entry["size"] or "%08x" % zlib.crc32(there) != entry["crc32"]:
        fail("%s/%s is not what its index says" % (folder, name))
    if name.endswith(".json"):
        return json.loads(there)
    if name.endswith(".gz"):
        return gzip.decompress(there)
    text = there.decode()
    if TEXTS.get(name, "") not in text or not text.endswith("\n"):
        fail("%s/%s is cut: %s" % (folder, name, text[-100:]))
    return text


def shape(value):
    """What stays the same from one document to the next: the keys, and how many there are of a list."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else "value"


def says(index, files):
    """All that two incidents of one host have in common."""
    culprit = index["culprit"] and [index["culprit"][key] for key in ("function", "module")]
    if culprit and (not index["culprit"]["stack"] or len(index["fingerprint"]) != 16):
        culprit = "without a stack"
    # around whose blocks memory is free, from one moment to the next, is the allocator's business
    names = [sorted(name for name in (b"hold_a_cache", b"wait_for_ever", b"tenant") if name in files[file])
             for file in sorted(files) if file.endswith(".gz") and file != "waste.pb.gz"]
    same = {key: index[key] for key in ("version", "why", "reason", "pid", "exe", "build_id", "host", "started", "limit", "limit_from",
                                        "labels")}
    if way == "cpu":  # where a thread was met, and whether it answered, is the machine's business
        culprit, names = None, None
    return {"same": same, "keys": sorted(index), "culprit": culprit, "deadlock": shape(index["deadlock"]),
            "files": sorted(files), "steps": [step["name"] for step in index["steps"]],
            "notes": sorted(note for note in index["notes"] if note.startswith("metric not available")),
            "series": sorted(files["metrics.json"]["series"]),
            "memory": sorted(files["memory.json"]) if "memory.json" in files else None,
            "names": names, "threads": files["threads.txt"].split("\n")[0]}


def look(folder):
    """Incident FOLDER: its index, and what it says; None when it is not complete."""
    try:
        index = json.loads(read(folder + "/incident.json"))
        files = {entry["name"]: contents(folder, entry) for entry in index["files"]}
    except (ValueError, KeyError, OSError, EOFError, zlib.error) as error:
        fail("%s: %r" % (folder, error))
    strangers = set(os.listdir(folder)) - set(files) - {"incident.json"}
    if strangers:
        fail("%s holds %s, of which its index says nothing" % (folder, strangers))
    if not index["complete"]:
        if not index.get("errors"):
            fail("%s is not complete and does not say why" % folder)
        return index, None
    return index, says(index, files)


def incidents():
    names = sorted(os.listdir(STORE)) if os.path.isdir(STORE) else []
    return [STORE + "/" + name for name in names if name[:2] == "20"]


def compare(folder, said, reference):
    for key in reference:
        if said[key] != reference[key]:
            fail("%s says it is complete, and its %s are\n  %s\nwhere an undisturbed one has\n  %s" % (folder, key, said[key], reference[key]))


# ---- ways ------------------------------------------------------------------------------------------------------------------
def some_captures(first):
    """A run of the host's, from the FIRSTth allocation on: its turns, and how many of its incidents are not complete."""
    shutil.rmtree(STORE, ignore_errors=True)
    lines = run(way, str(first), stride, many)
    if lines[-2:] != ["done", ""]:
        fail("the host said", lines[-3:])
    reference, cut = look(next(f for f in incidents() if "-reference-" in f))[1], 0
    for folder in incidents():
        index, said = look(folder)
        if said and "-settle-" not in folder:
            compare(folder, said, reference)
        if not said and "-next-" in folder:
            fail("%s is not complete: %s" % (folder, index["errors"]))
        cut += not said
    return [line.split() for line in lines[:-2]], cut


def captures():
    turns, cut = some_captures(1)
    while turns[-1][0] != "0":
        more, more_cut = some_captures(int(turns[-1][0]) + int(stride))
        turns, cut = turns + more, cut + more_cut
    if any(turn[2] != "ok" for turn in turns):
        fail("a capture after one that failed failed as well:", turns)
    lost = sum(turn[1] != "ok" for turn in turns)
    print("%d turns: %d incidents not complete, %d captures that failed" % (len(turns) - 1, cut, lost))
    if cut == 0 or (many == "1" and lost > len(turns) // 4):
        fail("that is not what it is like")


def plain(lines, again=("ok",)):
    """Turns that end by themselves: NUMBER RESULT RESULT-OF-THE-NEXT."""
    if lines[-2:] != ["done", ""]:
        fail("the host said", lines[-3:])
    turns = [line.split() for line in lines[:-2]]
    for turn in turns:
        if turn[2] not in again:
            fail("what was done again failed:", turn)
    for folder in incidents():
        if "previous-run-died" in folder:  # nobody has
            fail(folder)
        look(folder)
    print("%d turns: %d failed" % (len(turns), sum(turn[1] not in ("ok", "-", "taken") for turn in turns)))


def fires():
    plain(run(way, "1", stride, many))
    log = read(os.environ["GUMSHOE_LOG"]).decode()
    if "is started again, empty" in log:
        fail("a ledger was lost")


def starts():
    plain(run(way, "1", stride, many))


profiles = reloads = starts


def status_shape(text):
    """As shape, of a status. Its account of the memory is null until the first one is taken, and rates until the second reading:
    seconds after the start. A look at the rules file may be the one that an allocation fails in: then they are refused."""
    status = json.loads(text)
    for metric in status["metrics"]:
        if not {"metric", "value", "shown", "unavailable"} <= set(metric):
            fail("a metric lacks something:", text)
        metric["value"] = metric["shown"] = None
    refused = status["file"].pop("refused")
    if refused is not None and set(refused) != {"time", "error", "errors"}:
        fail("a refusal lacks something:", text)
    memory = status.pop("memory")
    if memory is not None and len(memory["parts"]) != 7:
        fail("an account of the memory lacks something:", text)
    return shape(status)


def asks():
    lines = [line for line in run(way, "1", stride, many) if line]
    answers = [lines[at:at + 3] for at in range(0, len(lines) - 1, 3)]
    reference = status_shape(answers[-1][2])
    failed = 0
    for turn, first, again in answers:
        if first != "lost" and "error" not in json.loads(first) and status_shape(first) != reference:
            fail("turn %s: a status lacks something: %s" % (turn, first))
        if status_shape(again) != reference:
            fail("turn %s: the next status lacks something: %s, and the last one has %s" % (turn, again, answers[-1][2]))
        failed += first == "lost" or "error" in json.loads(first)
    print("%d turns: %d without a status" % (len(answers), failed))


def boxes():
    return [name for name in os.listdir(STORE + "/.live") if name.endswith(".box")] if os.path.isdir(STORE + "/.live") else []


def died():
    """The incidents of deaths in the store: the complete ones, and the others."""
    looked = [(folder, look_at_death(folder)) for folder in incidents() if "previous-run-died" in folder]
    return [f for f, whole in looked if whole], [f for f, whole in looked if not whole]


def look_at_death(folder):
    index = json.loads(read(folder + "/incident.json"))
    files = {entry["name"]: contents(folder, entry) for entry in index["files"]}
    if not index["complete"]:
        if not index["errors"]:
            fail("%s is not complete and does not say why" % folder)
        return False
    if not {"heap.pb.gz", "metrics.json", "rules.json", "maps.txt", "summary.txt"} <= set(files):
        fail("%s is complete, and has %s" % (folder, sorted(files)))
    if b"hold_a_cache" not in files["heap.pb.gz"] or not index["culprit"] or index["culprit"]["function"] != "hold_a_cache":
        fail("%s does not know who held the memory: %s" % (folder, index["culprit"]))
    return True


def dies():
    """Whatever of the start or of the first write failed, the next start finds what the dead one held."""
    without, last = 0, int(run("counts", "1", "1", "1")[0])
    for at in range(1, last + 1, int(stride)):
        shutil.rmtree(STORE, ignore_errors=True)
        started = run("dies", str(at), "1", many, status=-9)[0] == "ok"
        had = boxes()
        run("heirs", "1000000", "1", "0")
        whole, cut = died()
        if len(whole) != len(had) or cut or any(box in boxes() for box in had):
            fail("turn %d: boxes %s became %s and %s" % (at, had, whole, cut))
        without += started and not had
    print("%d turns: %d without a black box" % (len(range(1, last + 1, int(stride))), without))
    if without > 1:  # the one whose box found no memory at all
        fail("that is too many")


def heirs():
    """What the dead left becomes an incident, at the latest at the start behind the one that ran out of memory."""
    shutil.rmtree(STORE, ignore_errors=True)
    run("dies", "1000000", "1", "0", status=-9)
    shutil.rmtree("left", ignore_errors=True)
    shutil.copytree(STORE, "left", ignore=lambda folder, names: [name for name in names if name.endswith(".sock")])
    turns = later = 0
    for at in range(1, 1000000, int(stride)):
        shutil.rmtree(STORE, ignore_errors=True)
        shutil.copytree("left", STORE)
        met = run("heirs", str(at), "1", many)[0] != "0"
        late = len(died()[0]) == 0
        run("heirs", "1000000", "1", "0")
        whole, cut = died()
        if len(whole) + len(cut) != 1 or boxes() or any(".bad" in name for name in os.listdir(STORE + "/.live")):
            fail("turn %d: %s, %s, and %s in .live" % (at, whole, cut, os.listdir(STORE + "/.live")))
        turns, later = turns + 1, later + late
        if not met:
            break
    print("%d turns: %d times at the second start" % (turns, later))


ways = {"captures": captures, "deadlocks": captures, "cpu": captures, "fires": fires, "starts": starts, "asks": asks,
        "profiles": profiles, "reloads": reloads, "dies": dies, "heirs": heirs}
ways[way]()
