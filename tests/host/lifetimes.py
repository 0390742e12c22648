"""lifetimes.py PROFILE OUTPUT: are the lifetimes in PROFILE those that the host printed? Of each function at least as many blocks have lived
as long as each class's bound as the inner durations say, and at most as many as the outer ones say. Prints what it found."""
import collections, re, subprocess, sys

raw = subprocess.run(["go", "tool", "pprof", "-raw", sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
names = {}
for line in raw[raw.index("\nLocations"):].split("\n"):
    found = re.match(r" *(\d+): 0x\S+ M=\d+ (\S+)", line)
    if found:
        names[int(found[1])] = found[2]
freed = collections.Counter()
values = functions = None
for line in raw[:raw.index("\nLocations")].split("\n"):
    sample = re.match(r" *(-?\d+) +(-?\d+) +(-?\d+) +(-?\d+): ([\d ]+)", line)
    label = re.search(r"lifetime:\[(\d+) nanoseconds\]", line)
    if sample:
        values, functions = [int(sample[i]) for i in range(1, 5)], [names.get(int(n), "") for n in sample[5].split()]
    elif label:
        assert values[0] == values[1] == 0, line
        for name in ("churn", "mix", "resize"):
            if name in functions:
                freed[name, int(label[1])] += values[2]
    elif "age:[" in line:
        assert values[2] == values[3] == 0, line
STEP = 8192  # the agent's clock has steps of 4096 ns, and its record is made within the call
inner, outer = collections.defaultdict(list), collections.defaultdict(list)
for line in open(sys.argv[2]):
    words = line.split()
    if len(words) == 3:
        inner[words[0]].append(int(words[1]))
        outer[words[0]].append(int(words[2]) + STEP)
for name in inner:
    all_freed = sum(count for (function, _), count in freed.items() if function == name)
    assert all_freed == len(inner[name]), f"{name}: {all_freed} of {len(inner[name])} blocks"
    for power in range(12, 45):
        seen = sum(count for (function, bound), count in freed.items() if function == name and bound >= 1 << power)
        least, most = (sum(ns >= 1 << power for ns in side[name]) for side in (inner, outer))
        assert least <= seen <= most, f"{name}: {seen} blocks lived {1 << power} ns; the host says {least} to {most}; {freed}"
print({name: sum(count for (function, _), count in freed.items() if function == name) for name in ("churn", "mix", "resize")})
