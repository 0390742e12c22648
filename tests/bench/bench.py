#!/usr/bin/env python3
"""The benchmarks: ours beside its peers, taking turns, in one run.

    bench.py BUILD [NAME...]

A figure is a line:  name  value  unit  peer  peer's value  ratio  [spread]
Times are ratios to the same program left alone, the median over rounds in which all variants run one after the other, in
an order that rotates; "a/a" is the plain program against itself, so it says what the machine's noise is worth. The spread
is that of the middle half of the rounds.
"""
import gzip
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
LOAD, LINKED = BUILD + "/bench/load", BUILD + "/bench/load_linked"
OURS = BUILD + "/libgumshoe.so"
LIB = "/usr/lib/x86_64-linux-gnu/"
JEMALLOC, TCMALLOC = LIB + "libjemalloc.so.2", LIB + "libtcmalloc.so.4"
TMP = tempfile.mkdtemp(prefix="gumshoe-bench-")
RULES = TMP + "/rules.json"
results = []


# ---- running ---------------------------------------------------------------------------------------------------------

def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GUMSHOE_") and k != "LD_PRELOAD"}
    env.update(GUMSHOE_LOG="off", GUMSHOE_DIR=TMP + "/incidents")
    env.update(more)
    return env


def run(command, **env):
    done = subprocess.run(command, env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          timeout=600)
    return done.stdout.decode()


def number(command, **env):
    return float(run(command, **env))


def rules(name, **document):
    path = f"{TMP}/{name}.json"
    with open(path, "w") as file:
        json.dump({"version": 1, **document}, file)
    return path


# name: (base it is compared with, program, environment)
VARIANTS = {
    "plain":         (None, LOAD, {}),
    "a/a":           ("plain", LOAD, {}),
    "gumshoe":       ("plain", LOAD, {"LD_PRELOAD": OURS}),
    "linked":        ("plain", LINKED, {}),
    "disabled":      ("plain", LOAD, {"LD_PRELOAD": OURS, "GUMSHOE_DISABLE": "1"}),
    "jemalloc off":  (None, LOAD, {"LD_PRELOAD": JEMALLOC}),
    "jemalloc":      ("jemalloc off", LOAD, {"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "prof:true,lg_prof_sample:19"}),
    "tcmalloc off":  (None, LOAD, {"LD_PRELOAD": TCMALLOC}),
    "tcmalloc":      ("tcmalloc off", LOAD, {"LD_PRELOAD": TCMALLOC, "TCMALLOC_SAMPLE_PARAMETER": "524288"}),
    "heaptrack":     ("plain", LOAD, {"LD_PRELOAD": "/usr/lib/heaptrack/libheaptrack_preload.so", "DUMP_HEAPTRACK_OUTPUT": TMP + "/heaptrack.%p"}),
}


def show(name, value, unit, peer="-", peer_value=None, spread=None):
    ratio = f"{value / peer_value:.3f}" if peer_value else "-"
    line = (f"{name:<24} {value:>10.4g} {unit:<13} {peer:<14} {peer_value if peer_value is None else format(peer_value, '.4g')!s:>8}"
            f" {ratio:>8}" + (f"  [{spread[0]:.3g} .. {spread[1]:.3g}]" if spread else "")).replace("None", "   -")
    results.append(line)
    print(line, flush=True)


def middle_half(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]


def take_turns(variants, measure, rounds):
    """measure(variant) for each of VARIANTS, ROUNDS times, in an order that rotates: {variant: [value of each round]}."""
    seen = {v: [] for v in variants}
    for i in range(rounds):
        for v in variants[i % len(variants):] + variants[:i % len(variants)]:
            seen[v].append(measure(v))
    return seen


def compare(name, variants, measure, rounds, invert=False):
    """Each of VARIANTS against its base, as the median of the rounds' ratios; ours also beside each peer's ratio."""
    bases = [VARIANTS[v][0] for v in variants]
    report(name, variants, take_turns(list(dict.fromkeys([*bases, *variants])), measure, rounds), invert)


def report(name, variants, seen, invert=False):
    ratios = {}
    for v in variants:
        each = [b / m if invert else m / b for m, b in zip(seen[v], seen[VARIANTS[v][0]])]
        ratios[v] = (statistics.median(each), middle_half(each))
    ours = ratios["gumshoe"][0]
    for v, (ratio, spread) in ratios.items():
        if v in ("gumshoe", "a/a", "linked", "disabled"):
            show(f"{name} {v}", ratio, "x", "a/a", ratios["a/a"][0], spread)
        else:
            show(f"{name} gumshoe", ours, "x", v, ratio, spread)


def load(*arguments):
    return lambda v: number([VARIANTS[v][1], *map(str, arguments)], **VARIANTS[v][2])


# ---- the figures -----------------------------------------------------------------------------------------------------

def collected(command, env):
    """The instructions that COMMAND's own thread executes from main on."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=main"]
    done = subprocess.run(valgrind + command, env=environment(**env), capture_output=True, text=True, timeout=600)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


def pair():
    """Instructions added to a malloc and free, 16 to 512 bytes: callgrind, the difference of 1 and 3 million pairs, of the program's
    own thread: how many the watcher executes meanwhile depends on the machine's speed."""
    def instructions(v):
        counts = [collected([VARIANTS[v][1], "pairs", str(n)], VARIANTS[v][2]) for n in (1000000, 3000000)]
        return (counts[1] - counts[0]) / 2000000

    seen = {v: instructions(v) for v in VARIANTS if v not in ("a/a", "heaptrack")}
    added = {v: seen[v] - seen[VARIANTS[v][0]] for v in seen if VARIANTS[v][0]}
    for ours in ("gumshoe", "linked", "disabled"):
        for peer in ("jemalloc", "tcmalloc"):
            show(f"pair {ours}", added[ours], "instructions", peer, added[peer])
    show("pair plain", seen["plain"], "instructions")


def tight():
    """malloc(64) and free, in a loop that does nothing else."""
    compare("tight", ["a/a", "gumshoe", "linked", "disabled", "jemalloc", "tcmalloc"], load("tight", 30000000), 21)
    compare("tight", ["a/a", "gumshoe", "heaptrack"], load("tight", 1000000), 3)


def live():
    """Two threads that replace and write blocks, of 20000 each."""
    compare("live", ["a/a", "gumshoe", "linked", "jemalloc", "tcmalloc"], load("live", 2, 10000000), 21)
    compare("live", ["a/a", "gumshoe", "heaptrack"], load("live", 2, 500000), 3)


def handoff():
    """One thread allocates, another frees."""
    compare("handoff", ["a/a", "gumshoe", "linked", "jemalloc", "tcmalloc"], load("handoff", 10000000), 21)


SAMPLED_BYTES = 1000
# The share of blocks of 1000 bytes that hold a point of a Poisson process of mean distance 1024.
SAMPLES_EACH = 1 - 2.718281828 ** (-SAMPLED_BYTES / 1024)


def sampling_ways():
    """What samples, in the environment that makes it sample every KiB and in one in which it samples every GiB."""
    fine = rules("fine", heap={"sample": "1KiB"}, budget="100%", rules=[])
    coarse = rules("coarse", heap={"sample": "1GiB"}, budget="100%", rules=[])
    return {
        "gumshoe": ({"LD_PRELOAD": OURS, "GUMSHOE_RULES": fine}, {"LD_PRELOAD": OURS, "GUMSHOE_RULES": coarse}),
        "jemalloc": ({"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "prof:true,lg_prof_sample:10"},
                     {"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": "prof:true,lg_prof_sample:30"}),
        "tcmalloc": ({"LD_PRELOAD": TCMALLOC, "TCMALLOC_SAMPLE_PARAMETER": "1024"},
                     {"LD_PRELOAD": TCMALLOC, "TCMALLOC_SAMPLE_PARAMETER": str(1 << 30)}),
    }


def sample():
    """One sample, all in: under 20 frames, with a sample in every KiB against one in every GiB."""
    n, ways = 2000000, sampling_ways()
    seen = take_turns([(w, i) for w in ways for i in (0, 1)], lambda v: number([LOAD, "deep", str(n)], **ways[v[0]][v[1]]), 11)
    cost = {w: statistics.median([(a - b) / SAMPLES_EACH for a, b in zip(seen[w, 0], seen[w, 1])]) for w in ways}
    for peer in ("jemalloc", "tcmalloc"):
        show("sample gumshoe", cost["gumshoe"], "ns", peer, cost[peer])


def sampled():
    """The same in instructions, of the sample and of its free: callgrind, the difference of 50,000 and 150,000 pairs."""
    def instructions(env):
        counts = [collected([LOAD, "deep", str(n)], env) for n in (50000, 150000)]
        return (counts[1] - counts[0]) / 100000

    cost = {way: (instructions(fine) - instructions(coarse)) / SAMPLES_EACH for way, (fine, coarse) in sampling_ways().items()}
    for peer in ("jemalloc", "tcmalloc"):
        show("sampled gumshoe", cost["gumshoe"], "instructions", peer, cost[peer])


def walk():
    """One stack walk of 20 frames, warm."""
    seen = {f[0]: list(map(float, f[1:])) for f in (line.split() for line in run([BUILD + "/bench/walk", "41"]).splitlines())}
    for peer in ("unw_backtrace", "unw_step", "backtrace", "frame_pointers"):
        show("walk gumshoe", seen["gumshoe"][0], "ns", peer, seen[peer][0], seen["gumshoe"][1:3])
    show("walk gumshoe, cold", seen["gumshoe_cold"][0], "ns")


def memory():
    """What the profiler adds to 800 MB in blocks of 64 bytes, in per cent of them."""
    seen = take_turns(["plain", "gumshoe", "jemalloc off", "jemalloc"], load("fill", 800), 5)
    share = {v: (statistics.median(seen[v]) - statistics.median(seen[VARIANTS[v][0]])) * 1024 / 800e6 * 100 for v in ("gumshoe", "jemalloc")}
    show("memory gumshoe", share["gumshoe"], "%", "jemalloc", share["jemalloc"])


def resident():
    """What the agent adds to a small host after three seconds."""
    seen = take_turns(["plain", "gumshoe", "jemalloc off", "jemalloc"], load("wait", 3, 2), 5)
    added = {v: (statistics.median(seen[v]) - statistics.median(seen[VARIANTS[v][0]])) / 1024 for v in ("gumshoe", "jemalloc")}
    show("resident gumshoe", added["gumshoe"], "MiB", "jemalloc", added["jemalloc"])


def threads():
    """The cost with 1 to 64 threads, and with 1, 10 and 100 times the live blocks."""
    for count in (1, 2, 8, 64):
        compare(f"threads {count}", ["a/a", "gumshoe"], load("live", count, 8000000 // count), 15)
    for blocks in (2000, 20000, 200000):
        compare(f"blocks {blocks}", ["a/a", "gumshoe"], load("hold", 2, blocks, 4000000), 15)


# ---- servers -----------------------------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serving(command, env, client):
    """Start a server, wait until it answers, run CLIENT(port), end it. What CLIENT took and what the server worked, seconds."""
    port = free_port()
    server = subprocess.Popen([*command, str(port)], env=environment(**env), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, cwd=TMP)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 0.1).close()
            break
        except OSError:
            time.sleep(0.05)
    began = time.monotonic()
    try:
        subprocess.run(client(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, check=True)
    finally:
        took = time.monotonic() - began
        server.terminate()
        used = os.wait4(server.pid, 0)[2]
        server.returncode = 0
    return took, used.ru_utime + used.ru_stime


def compare_servers(name, command, client, rounds):
    """What the client waits for, and what the server works for it."""
    variants = ["a/a", "gumshoe"]
    seen = take_turns(["plain", *variants], lambda v: serving(command, VARIANTS[v][2], client), rounds)
    for i, what in enumerate((name, name + " cpu")):
        report(what, variants, {v: [each[i] for each in seen[v]] for v in seen})


def redis():
    """redis-benchmark, SET and GET: as it is, and with 16 in flight on each connection so that the server is what is busy."""
    for name, n, in_flight in ("redis", 200000, 1), ("redis pipelined", 1000000, 16):
        compare_servers(name, ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"],
                        lambda port: ["redis-benchmark", "-p", str(port), "-t", "set,get", "-n", str(n), "-P", str(in_flight),
                                      "-d", "200", "-r", "100000", "-q"], 21)


def memcached():
    """memcslap against memcached: four clients that set."""
    compare_servers("memcached", ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-t", "2", "-p"],
                    lambda port: ["memcslap", f"--servers=127.0.0.1:{port}", "--concurrency=4", "--execute-number=30000",
                                  "--test=set"], 21)


# ---- incidents -----------------------------------------------------------------------------------------------------------

def incidents(directory):
    found = sorted(f for f in os.listdir(directory) if f[0] == "2") if os.path.isdir(directory) else []
    return [json.load(open(f"{directory}/{f}/incident.json")) for f in found]


def instant():
    """From the line crossed to the incident's start."""
    lag = []
    path = rules("instant", rules=[{"name": "line", "metric": "heap_in_use", "above": "100MB", "capture": ["heap"]}])
    for i in range(11):
        directory = f"{TMP}/instant{i}"
        crossed = int(run([LOAD, "cross", "100000000"], LD_PRELOAD=OURS, GUMSHOE_RULES=path, GUMSHOE_DIR=directory)) / 1e6
        triggered = incidents(directory)[0]["triggered"]
        seconds = time.mktime(time.strptime(triggered[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        lag.append(seconds * 1e3 + int(triggered[20:23]) - crossed)
    show("instant gumshoe", statistics.median(lag), "ms", spread=(min(lag), max(lag)))


def capture():
    """From the trigger to the complete folder, heap and threads, 200 MB; and what the host loses meanwhile."""
    path = rules("capture", interval="100ms", rules=[{"name": "again", "every": "1s", "cooldown": "0s", "capture": ["heap", "threads"]}],
                 incidents={"max_per_hour": 0})
    run([LOAD, "serve", "6", "200"], LD_PRELOAD=OURS, GUMSHOE_RULES=path, GUMSHOE_DIR=TMP + "/capture")
    took = [sum(step["ms"] for step in i["steps"]) for i in incidents(TMP + "/capture")]
    show("capture gumshoe", statistics.median(took), "ms", spread=(min(took), max(took)))
    def measure(v):
        env = dict(VARIANTS[v][2])
        if v == "gumshoe":
            env.update(GUMSHOE_RULES=path, GUMSHOE_DIR=TMP + "/capture2")
        return number([LOAD, "serve", "4", "200"], **env)
    compare("capture host", ["a/a", "gumshoe"], measure, 9, invert=True)


def pages():
    """The state of the pages of a heap in use: the step's time in an incident; of 2 GiB in blocks of 1 MiB, of 2 GiB in blocks of 2 KiB,
    and of an empty host."""
    for name, block, count in (("none", 1 << 20, 0), ("large", 1 << 20, 2048), ("small", 2 << 10, 1 << 20)):
        directory = f"{TMP}/pages-{name}"
        host = subprocess.Popen(["python3", "-c", f"b = [b'x' * {block} for i in range({count})]; print(flush=True); input()"],
                                env=environment(LD_PRELOAD=OURS, GUMSHOE_DIR=directory, PYTHONMALLOC="malloc"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        host.stdout.readline()
        for _ in range(11):
            run([BUILD + "/gumshoe", "capture", "--kinds", "pages", str(host.pid)])
        host.communicate(b"\n")
        took = [step["ms"] for i in incidents(directory) for step in i["steps"] if step["name"] == "pages"]
        show(f"pages {name}", statistics.median(took), "ms", spread=middle_half(took))


def timed(command):
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600, check=False)
    return (time.monotonic() - began) * 1e3


def dump():
    """All stacks of 1000 sleeping threads, each way once and cold, in turns: ours from inside, by the step's own clock."""
    path = rules("dump", interval="100ms", rules=[{"name": "never", "every": "24h", "capture": ["threads"]}])
    peers = {
        "gdb": lambda pid: timed(["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "thread apply all bt"]),
        "eu-stack": lambda pid: timed(["eu-stack", "-p", str(pid)]),
    }
    seen = {name: [] for name in ["gumshoe", *peers]}
    for i in range(5):
        directory = f"{TMP}/dump{i}"
        host = subprocess.Popen([LOAD, "wait", "60", "1000"], stdout=subprocess.DEVNULL,
                                env=environment(LD_PRELOAD=OURS, GUMSHOE_RULES=path, GUMSHOE_DIR=directory))
        time.sleep(1.5)
        run([BUILD + "/gumshoe", "capture", "--kinds", "threads", str(host.pid)])
        seen["gumshoe"].append(next(s["ms"] for s in incidents(directory)[0]["steps"] if s["name"] == "threads"))
        for name, ask in peers.items():
            seen[name].append(ask(host.pid))
        host.kill()
        host.wait()
    for name in peers:
        show("dump gumshoe", statistics.median(seen["gumshoe"]), "ms", name, statistics.median(seen[name]),
             middle_half(seen["gumshoe"]))


def pause():
    """The gap in a computing thread's work when it is asked for its stack; beside a signal whose handler does nothing."""
    lines = [list(map(float, line.split())) for _ in range(7) for line in run([BUILD + "/bench/pause", "1000"]).splitlines()]
    for i, what in enumerate(("median", "p99")):
        for k, peer in enumerate(("empty handler", "nobody asks"), 1):
            show(f"pause, {what}", statistics.median(x[i] for x in lines[0::3]), "us", peer,
                 statistics.median(x[i] for x in lines[k::3]))


def cpu():
    """A busy host while its CPU time is sampled at 99 Hz: what it loses; gperftools' profiler beside it."""
    path = rules("cpu", interval="1s", cpu={"rate": "99Hz", "duration": "60s", "before": "0s"},
                 rules=[{"name": "now", "metric": "threads", "above": 0, "cooldown": "1h", "capture": ["cpu"]}])
    profiler = {"LD_PRELOAD": LIB + "libprofiler.so.0", "CPUPROFILE": TMP + "/gperftools", "CPUPROFILE_FREQUENCY": "99"}
    variants = {"plain": {}, "a/a": {}, "gumshoe": {"LD_PRELOAD": OURS, "GUMSHOE_RULES": path, "GUMSHOE_DIR": TMP + "/cpu"},
                "watched": {"LD_PRELOAD": OURS}, "gperftools": profiler}
    seen = take_turns(list(variants), lambda v: number([LOAD, "spin", "2"], **variants[v]), 21)
    ratio = {v: [a / b for a, b in zip(seen[v], seen["plain"])] for v in variants}
    for peer in ("a/a", "watched", "gperftools"):
        show("cpu gumshoe", statistics.median(ratio["gumshoe"]), "x", peer, statistics.median(ratio[peer]),
             middle_half(ratio["gumshoe"]))


def watcher_of(pid):
    """CPU time in ns, and how often it was scheduled."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        if open(f"/proc/{pid}/task/{tid}/comm").read().strip() == "gumshoe":
            spent, _, times = open(f"/proc/{pid}/task/{tid}/schedstat").read().split()
            return int(spent), int(times)
    raise RuntimeError("no thread named gumshoe")


def watch_for(seconds, threads, **env):
    """A host that sleeps, with THREADS in all: CPU time of the watcher in ns a second, and in us each time that it wakes."""
    host = subprocess.Popen([LOAD, "wait", str(seconds + 4), str(threads - 2)], env=environment(LD_PRELOAD=OURS, **env),
                            stdout=subprocess.DEVNULL)
    time.sleep(2)
    before = watcher_of(host.pid)
    time.sleep(seconds)
    after = watcher_of(host.pid)
    host.wait()
    return (after[0] - before[0]) / seconds, (after[0] - before[0]) / (after[1] - before[1]) / 1e3


def tick():
    """The watcher's work in one tick, default rules: what it takes a time, less what a thread takes that only wakes."""
    text = open(os.path.dirname(os.path.abspath(__file__)) + "/../../rules/default.json").read()
    path = TMP + "/tick.json"
    with open(path, "w") as file:
        file.write(text.replace('"interval": "1s"', '"interval": "10ms"'))
    for count in (10, 900):
        ours, bare = [], []
        for _ in range(7):
            bare.append(number([LOAD, "ticks", "3"]))
            ours.append(watch_for(3, count, GUMSHOE_RULES=path)[1])
        show(f"tick, {count} threads", statistics.median(ours) - statistics.median(bare), "us", "waking", statistics.median(bare))


def idle():
    """The watcher's CPU on a host that sleeps, with the default rules, a tick a second: per cent of a core."""
    each = [watch_for(20, 10)[0] / 1e9 * 100 for _ in range(3)]
    show("idle gumshoe", statistics.median(each), "% of a core", spread=(min(each), max(each)))


def agents_cpu(pids):
    """CPU time of all the agents' threads, in seconds."""
    total = 0
    for pid in pids:
        for tid in os.listdir(f"/proc/{pid}/task"):
            if open(f"/proc/{pid}/task/{tid}/comm").read().startswith("gumshoe"):
                total += int(open(f"/proc/{pid}/task/{tid}/schedstat").read().split()[0])
    return total / 1e9


def fds():
    """Opening a file and closing it, accepting a connection and closing it, as fast as one thread can."""
    for way, rounds in (("open", 200000), ("accept", 100000)):
        compare(f"fds {way}", ["a/a", "gumshoe", "disabled"],
                lambda v: number([BUILD + "/bench/fds", way, str(rounds)], **VARIANTS[v][2]), 21)


def fleet():
    """gumshoe serve over 100 agents in one directory: a scrape of /metrics, its memory, and what scrapes cost an agent."""
    import http.client
    directory, seconds, scrapes = TMP + "/fleet", 30, 20
    hosts = [subprocess.Popen([LOAD, "wait", "120", "2"], env=environment(LD_PRELOAD=OURS, GUMSHOE_DIR=directory), stdout=subprocess.DEVNULL)
             for _ in range(100)]
    served = subprocess.Popen([BUILD + "/gumshoe", "serve", "--listen", "127.0.0.1:0", directory], stderr=subprocess.PIPE, env=environment())
    try:
        port = int(re.search(rb":(\d+)/", served.stderr.readline()).group(1))

        def scrape():
            link = http.client.HTTPConnection("127.0.0.1", port)
            began = time.perf_counter()
            link.request("GET", "/metrics")
            text = link.getresponse().read().decode()
            took = (time.perf_counter() - began) * 1e3
            return took, len(re.findall("^gumshoe_up{[^}]*} 1$", text, re.M))

        until = time.time() + 60
        while scrape()[1] < 100 and time.time() < until:
            time.sleep(1.2)
        pids = [host.pid for host in hosts]
        before = agents_cpu(pids)
        time.sleep(seconds)
        idle_cpu = (agents_cpu(pids) - before) / seconds
        before, seen, began = agents_cpu(pids), [], time.time()
        for _ in range(scrapes):  # an answer is kept for a second
            seen.append(scrape())
            time.sleep(1.2)
        each = (agents_cpu(pids) - before - idle_cpu * (time.time() - began)) / scrapes / len(pids)
        times = [took for took, count in seen if count == 100]
        show("metrics of 100 agents", statistics.median(times), "ms", "goal", 200, spread=(min(times), max(times)))
        status = open(f"/proc/{served.pid}/status").read()
        show("serve memory, peak", int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024, "MiB", "goal", 50)
        show("agent, each scrape", each * 1e6, "us CPU")
        show("agent, scraped each 15 s", each / 15 * 100, "% of a core", "budget", 1)
    finally:
        for process in hosts + [served]:
            process.kill()
            process.wait()


def large_program(copies):
    """A program with 1.7 MB of debug information for each of COPIES; returns its path and how many MB it has."""
    here, path = os.path.dirname(os.path.abspath(__file__)), TMP + "/large"
    subprocess.run(["g++", "-g", "-O2", "-c", here + "/large_unit.cc", "-o", TMP + "/unit.o"], check=True)
    for i in range(copies):
        subprocess.run(["objcopy", f"--redefine-sym=unit_keep=unit_keep_{i}", TMP + "/unit.o", f"{TMP}/unit{i}.o"], check=True)
    with open(TMP + "/units.c", "w") as file:
        file.writelines(f"extern void *unit_keep_{i}(unsigned long);\n" for i in range(copies))
        file.write("void *(*const units[])(unsigned long) = {" + "".join(f"unit_keep_{i}, " for i in range(copies)) + "0};\n")
    for source in (here + "/large", TMP + "/units"):
        subprocess.run(["gcc", "-g", "-O2", "-c", source + ".c", "-o", f"{TMP}/{os.path.basename(source)}.o"], check=True)
    subprocess.run(["g++", "-fuse-ld=mold", "-o", path, TMP + "/large.o", TMP + "/units.o",
                    *(f"{TMP}/unit{i}.o" for i in range(copies))], check=True)
    for i in range(copies):
        os.remove(f"{TMP}/unit{i}.o")
    sections = subprocess.run(["size", "-A", path], capture_output=True, text=True, check=True).stdout
    return path, sum(int(size) for size in re.findall(r"^\.debug_\w+\s+(\d+)", sections, re.M)) / 1e6


def memory_of_symbolizers(directory):
    """Resident MB of the processes that symbolize an incident in DIRECTORY now: memory of their own, and pages of mapped files,
    which the kernel can drop. Shared pages count in part (PSS)."""
    own = of_files = 0
    for process in os.listdir("/proc"):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace")
            if "symbolize" in words and directory in words:
                with open(f"/proc/{process}/smaps_rollup") as file:
                    sizes = {key: int(size) / 1e3 for key, size in re.findall(r"^(Pss\w*): +(\d+)", file.read(), re.M)}
                own += sizes["Pss_Anon"] + sizes["Pss_Shmem"]
                of_files += sizes["Pss_File"]
        except (OSError, KeyError):
            pass
    return own, of_files


def serve_while(path, mode, seconds, weigh=False):
    """An incident of program PATH, then its latency: while the agent's child symbolizes it, or with "off" for SECONDS. Returns
    p50, p99, p99.9, the seconds, and, if WEIGH, the most memory of the child in MB: its own, and of files. To weigh it delays the
    host: the kernel walks all its pages."""
    directory = tempfile.mkdtemp(prefix="symbolize-", dir=TMP)
    # The incident is asked for once the host is up; heap and threads, as a rule would.
    settings = rules("symbolize", interval="100ms", symbolize=mode, heap={"sample": "4KiB"},
                     rules=[{"name": "never", "every": "24h", "capture": ["heap", "threads"]}])
    host = subprocess.Popen([path], env=environment(LD_PRELOAD=OURS, GUMSHOE_RULES=settings, GUMSHOE_DIR=directory),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    host.stdout.readline()
    found = run([BUILD + "/gumshoe", "capture", str(host.pid)]).strip()
    began, own, of_files = time.monotonic(), 0, 0
    print(file=host.stdin, flush=True)
    while True:
        time.sleep(0.25)
        now = time.monotonic() - began
        if weigh:
            seen = memory_of_symbolizers(directory)
            own, of_files = max(own, seen[0]), max(of_files, seen[1])
        if mode == "off":
            done = now >= seconds
        else:
            with open(found + "/incident.json") as file:
                done = any(note.startswith("symbolize: source lines") for note in json.load(file)["notes"]) or now > 300
        if done:
            break
    print(file=host.stdin, flush=True)
    p50, p99, p999, _ = map(float, host.stdout.readline().split())
    host.stdin.close()
    host.wait()
    shutil.rmtree(directory)
    return p50, p99, p999, now, own, of_files


def symbolize():
    """The latency of a host of 1 GB debug information while the agent's child symbolizes its incident."""
    path, size = large_program(int(os.environ.get("GUMSHOE_BENCH_UNITS", 600)))
    rounds = int(os.environ.get("GUMSHOE_BENCH_ROUNDS", 10))
    _, _, _, seconds, own, of_files = serve_while(path, "auto", 0, weigh=True)
    seen = {v: [] for v in ("auto", "off", "again")}
    for i in range(rounds):
        order = ["auto", "off", "again"]
        for v in order[i % 3:] + order[:i % 3]:
            seen[v].append(serve_while(path, "auto" if v == "auto" else "off", seconds))
            if v == "auto":
                seconds = max(seen[v][-1][3], 1)  # the next without it takes as long
    show("symbolize, debug information", size, "MB")
    show("symbolize, takes", statistics.median(x[3] for x in seen["auto"]), "s", spread=middle_half([x[3] for x in seen["auto"]]))
    show("symbolize, memory", own, "MB")
    show("symbolize, of files", of_files, "MB")
    for at, what in enumerate(("p50", "p99", "p99.9")):
        ratios = {v: [x[at] / y[at] for x, y in zip(seen[v], seen["off"])] for v in ("auto", "again")}
        show(f"symbolize, {what} without", statistics.median(x[at] for x in seen["off"]), "us")
        show(f"symbolize, {what} meanwhile", statistics.median(ratios["auto"]), "x", "a/a", statistics.median(ratios["again"]),
             middle_half(ratios["auto"]))


def large_profile(path, stacks):
    """A heap profile of so many stacks, 20 to 60 frames of 6,000 functions, each with four places that call, with files and lines."""
    def varint(n):
        out = bytearray()
        while n > 127:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes(out) + bytes([n])

    def field(number, value):
        return varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + varint(len(value)) + value

    draw = random.Random(1)
    functions = 6000
    strings = ["", "inuse_space", "bytes", *(f"net::pool_{i % 50}::Cache<std::string, int>::operation_{i}(unsigned long)" for i in range(functions)),
               *(f"/src/server/part_{i}.cc" for i in range(300))]
    parts = [field(1, field(1, 1) + field(2, 2))]
    for _ in range(stacks):
        called = (min(int(draw.paretovariate(0.5)), functions - 1) for _ in range(draw.randint(20, 60)))
        frames = b"".join(varint(1 + 4 * function + draw.randrange(4)) for function in called)
        parts.append(field(2, field(1, frames) + field(2, varint(draw.randint(1, 1 << 24)))))
    for i in range(1, 4 * functions + 1):
        parts.append(field(4, field(1, i) + field(3, 0x400000 + 16 * i) + field(4, field(1, (i + 3) // 4) + field(2, i % 900 + 1))))
    for i in range(1, functions + 1):
        parts.append(field(5, field(1, i) + field(2, i + 2) + field(4, functions + 3 + i % 300)))
    with gzip.open(path, "wb") as file:
        file.write(b"".join(parts) + b"".join(field(6, s.encode()) for s in strings))


def top():
    """gumshoe top and go tool pprof -top of a profile of 10,000 stacks: time, and the most memory."""
    path = TMP + "/large.pb.gz"
    large_profile(path, 10000)
    commands = {"gumshoe": [BUILD + "/gumshoe", "top", path], "again": [BUILD + "/gumshoe", "top", path], "pprof": ["go", "tool", "pprof", "-top", path]}

    def measure(v):
        began = time.monotonic()
        process = subprocess.Popen(commands[v], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{commands[v]}: status {process.returncode}")
        return (time.monotonic() - began) * 1e3, usage.ru_maxrss / 1024

    seen = take_turns(list(commands), measure, 15)
    for at, what, unit in ((0, "time", "ms"), (1, "memory", "MiB")):
        each = {v: [x[at] for x in seen[v]] for v in seen}
        for peer in ("again", "pprof"):
            show(f"top, {what}", statistics.median(each["gumshoe"]), unit, "a/a" if peer == "again" else peer, statistics.median(each[peer]),
                 middle_half(each["gumshoe"]))


ALL = [pair, tight, live, handoff, sample, sampled, walk, memory, resident, threads, redis, memcached, instant, capture, pages, dump, pause, cpu, tick, idle, fds, fleet, symbolize, top]


def main():
    wanted = sys.argv[2:]
    unknown = set(wanted) - {b.__name__ for b in ALL}
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(b.__name__ for b in ALL)}")
    print(f"{'name':<24} {'value':>10} {'unit':<13} {'peer':<14} {'peer has':>8} {'ratio':>8}  [middle half of the rounds]")
    try:
        for benchmark in ALL:
            if not wanted or benchmark.__name__ in wanted:
                benchmark()
    finally:
        shutil.rmtree(TMP, ignore_errors=True)
    if not wanted:
        with open(BUILD + "/bench/results.txt", "w") as file:
            file.write("\n".join(results) + "\n")


main()
