#!/usr/bin/python3
"""tests/check/schema.py SOURCE GUMSHOE DIRECTORY [SEED]: hold rules/rules.schema.json and gumshoe's own reader together.

 1. The same names: keys of the reader's tables, metrics and kinds of evidence are those of the schema.
 2. Documents made by this grammar (not by the schema): both take them; and what lies on the edge of each bound.
 3. The same with one mistake made on purpose: both refuse them. What a schema cannot say is in BEYOND, and there it must
    really take the document, so that the list stays honest.
 4. The same with a few random changes: the two agree, whatever they say. Where only the reader refuses, each of its errors
    is one of BEYOND.

Documents are written into DIRECTORY; the seed, and each document that tells the two apart, are printed."""
import copy, json, os, random, re, subprocess, sys
import jsonschema

source, gumshoe, directory = sys.argv[1:4]
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
draw = random.Random(seed)
schema = json.load(open(source + "/rules/rules.schema.json"))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
failures = []

# What the reader refuses and no schema can: kind of mistake, and how the reader words it.
BEYOND = {
    "a quantity with a unit is out of bounds": r"out of range|has too many digits|must be more than nothing",
    "a key stands twice": r"^duplicate key",
    "a name stands twice": r"^duplicate name",
    "two lines are the wrong way round": r"is not higher than",
    "the cooldown is longer than every": r"is longer than \"every\"",
    "a text is short in characters and long in bytes": r"is longer than \d+ bytes",
    "a word names a label that is not there": r"^unknown label",
    "the program has no name": r"^\"on_incident\" is empty",
}


def fail(what, document=None):
    failures.append(what)
    print("FAILED:", what)
    if document is not None:
        print("   ", document if isinstance(document, str) else json.dumps(document, ensure_ascii=False))


# ---- 1. the same names -------------------------------------------------------------------------------------------------
def in_sources(pattern, *files):
    names = set()
    for name in files:
        names |= set(re.findall(pattern, open(source + "/agent/" + name).read()))
    return names


def properties(node):
    """Every property that the schema lets stand somewhere, and whether each is described."""
    if isinstance(node, dict):
        for key, value in node.get("properties", {}).items() if node.get("additionalProperties") is False else []:
            yield key, value
        for value in node.values():
            yield from properties(value)
    elif isinstance(node, list):
        for value in node:
            yield from properties(value)


def same(what, ours, schemas):
    if ours != schemas:
        fail("%s: only in the reader %s, only in the schema %s" % (what, sorted(ours - schemas), sorted(schemas - ours)))


rules_files = ["rules/" + f for f in sorted(os.listdir(source + "/agent/rules")) if f.endswith(".c")]
keys = in_sources(r'\{"(\$?[a-z_]+)",\s+(?:gs_field|read)_\w+,', *rules_files) | {"why"}
conditions = in_sources(r'\{"([a-z_]+)",\s+gs_\w+_read,', "rules/conditions.c")
described = list(properties(schema))
for key, value in described:
    target = schema["definitions"].get(value.get("$ref", "").rpartition("/")[2], {})
    if not value.get("description") and not target.get("description"):
        fail("the schema does not describe \"%s\"" % key)
metrics = in_sources(r'\{ "([a-z_]+)", GS_', "metrics/table.c")
definitions = schema["definitions"]
same("metrics", metrics, {m["const"] for m in definitions["metric"]["anyOf"] if "const" in m})
same("metrics with lines", metrics,
     {m for i in definitions["lines_by_metric"]["allOf"] for m in i["if"]["properties"]["metric"].get("enum", [])})
same("kinds of evidence", in_sources(r'\{"([a-z]+)",', "base/kinds.c"),
     {k["const"] for k in definitions["rule"]["properties"]["capture"]["items"]["anyOf"]})


# ---- the two judges ----------------------------------------------------------------------------------------------------
def reader_errors(documents):
    """For each document (text or bytes) the messages of the reader; [] where it takes it."""
    names = []
    for i, document in enumerate(documents):
        names.append("%s/%05d.json" % (directory, i))
        with open(names[-1], "w", encoding="utf-8") as out:
            out.write(document)
    told = {name: [] for name in names}
    for start in range(0, len(names), 500):
        done = subprocess.run([gumshoe, "check", "--json"] + names[start:start + 500], stdout=subprocess.PIPE)
        if done.returncode not in (0, 1):
            sys.exit("gumshoe check ended with %d" % done.returncode)
        for error in json.loads(done.stdout):
            if error["severity"] == "error":
                told[error["file"]].append(error["message"])
    for name in names:
        os.unlink(name)
    return [told[name] for name in names]


def schema_takes(text):
    return validator.is_valid(json.loads(text))


def can(key, value):
    """Does the reader know KEY of the top level by now?"""
    told = reader_errors([json.dumps({"version": 1, key: value, "rules": []})])[0]
    return not any("not in this version" in m or m.startswith("unknown key") for m in told)


# Of the language, and perhaps not of this version: the schema has them already.
LATER = {"children": lambda: draw.choice(["forks", "all", "off"]), "crash": lambda: draw.choice(["on", "off"]), "only": lambda: ["redis-server", "nginx"],
         "plumbing": lambda: draw.sample(["my_alloc", "pool_*", "a?", "*x*", "x" * 255, "Pool<*>::get"], 2),
         "on_incident": lambda: ["/usr/local/bin/page-someone"] + draw.sample(
             ["{dir}", "{\"text\": \"{reason}\"}", "{}", "{ dir }", "{Dir}", "{{value}}", "", "{dir", "x" * 1024, "{line}{pid}ä"], 3)}
unknown = {key for key, make in LATER.items() if not can(key, make())}
LATER = {key: make for key, make in LATER.items() if key not in unknown}
same("keys", (keys | conditions) - unknown, {key for key, _ in described} - unknown)


# ---- 2. the grammar ----------------------------------------------------------------------------------------------------
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "kB": 10**3, "MB": 10**6, "GB": 10**9}
TIMES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
DAY = 86400


def maybe(chance):
    return draw.random() < chance


def number(least, most):
    """A number from LEAST to MOST, as people write them."""
    value = draw.choice([draw.randint(-(-least // 1).__int__(), int(most)), round(draw.uniform(least, most), 3), int(most)])
    return min(max(value, least), most)


def written(value):
    return ("%d" % value) if value == int(value) else ("%.3f" % value).rstrip("0")


def quantity(units, least, most, zero=False):
    """LEAST to MOST (of the unit 1) in a unit that suits."""
    if zero and maybe(0.2):
        return draw.choice(["0", "0" + draw.choice(list(units)), "0.0"])
    while True:
        unit = draw.choice(list(units))
        low, high = least / units[unit], most / units[unit]
        if high >= 1:
            value = draw.choice([-(-low // 1), draw.uniform(max(low, 1), min(high, max(low, 1) * 100)) // 1, high // 1])
            if low <= value <= high and value < 1e12:
                return written(value) + unit


def size(least=1, most=1 << 50, zero=False):
    return quantity(SIZES, least, most, zero)


def duration(least, most, zero=False):
    return quantity(TIMES, least, most, zero)


def percent(least, most):
    return written(round(draw.uniform(least, most), draw.choice([0, 1, 2])) or most) + "%"


def rate():
    return "%s%s/%s" % (written(draw.randint(1, 4000)), draw.choice(list(SIZES)), draw.choice(["s", "min", "h"]))


def count_rate():
    return "%s/%s" % (written(draw.choice([0.5, 1, 12, 400])), draw.choice(["s", "min", "h"]))


def share_rate():
    return "%s%%/%s" % (written(draw.choice([0.5, 1, 12, 400])), draw.choice(["s", "min", "h"]))


LINES = {  # of a metric: a line at a share of its range, so that lines can be ordered
    "bytes": lambda at: draw.choice([size(1 << 20, 1 << 40)]) if at is None else "%dMiB" % (1 + at * 4096),
    "bytes/s": lambda at: rate() if at is None else "%dMiB/s" % (1 + at * 4096),
    "percent": lambda at: number(0, 100) if at is None else draw.choice([round(at * 100, 2), written(round(at * 100, 2)) + "%"]),
    "number": lambda at: number(0, 10**15) if at is None else round(at * 10000),
    "descriptors": lambda at: number(0, 10**15) if at is None else round(at * 10000),
    "gauge": lambda at: number(-10**15, 10**15) if at is None else round(at * 10000 - 5000),
}
METRICS = {"rss": "bytes", "heap_in_use": "bytes", "heap_alloc_rate": "bytes/s", "threads": "number", "cpu": "percent",
           "group_memory": "bytes", "swap": "bytes", "largest_alloc": "bytes", "alloc_failures": "number", "context_switches": "number",
           "run_delay": "percent", "io_wait": "percent", "fds": "descriptors", "major_faults": "number", "memory_pressure": "percent", "gauge:queue.len": "gauge", "gauge:x": "gauge"}
KINDS = ["heap", "threads", "threadcreate", "fds", "peak", "pages", "waste", "lifetimes", "cpu"]


def span(least):
    return draw.choice([draw.randint(least, 4096), float(draw.randint(least, 4096)), duration(least * 3600, 30 * DAY)])


def line(metric, at=None):
    if METRICS[metric] in ("bytes", "descriptors") and at is None and maybe(0.5):
        return percent(0.1, 100)
    return LINES[METRICS[metric]](at)


def some(**members):
    """Those of MEMBERS whose turn it is, in any order."""
    chosen = [(key, make) for key, make in members.items() if maybe(0.5)]
    draw.shuffle(chosen)
    return {key: make() for key, make in chosen}


def why():
    return draw.choice(["", "it grows at night", "größer – 漢字", "a \"quote\" \\ and\ttab", "x" * 1024])


def conditions_on(metric):
    kind = METRICS[metric]
    made = {
        "above": lambda: line(metric, 0.5), "below": lambda: line(metric, 0.1),
        "jitter": lambda: dict(draw.choice([{"rise": percent(0.1, 9999)}, {"by": line(metric)}]),
                               **some(over=lambda: span(1), min=lambda: line(metric), why=why)),
        "growth": lambda: dict({"rate": share_rate() if maybe(0.3) else rate() if kind == "bytes" else count_rate()}, **some(over=lambda: span(3), why=why)),
        "reaches": lambda: dict({"line": line(metric), "within": duration(1, 30 * DAY)}, **some(over=lambda: span(3), why=why)),
        "unusual": lambda: some(score=lambda: number(1, 1000), over=lambda: span(3), min=lambda: line(metric), why=why),
    }
    return {key: made[key]() for key in draw.sample(sorted(made), draw.choice([1, 1, 1, 2, 6]))}


def unless():
    metric = draw.choice(list(METRICS))
    lines = draw.choice([["above"], ["below"], ["above", "below"]])
    return dict({"metric": metric}, **{key: line(metric) for key in lines}, **some(why=why))


def rule(number_of):
    made = {"name": draw.choice(["r", "a.b_c-", "x" * 37]) + str(number_of)}
    if maybe(0.85):
        metric = draw.choice(list(METRICS))
        made["metric"] = metric
        made.update(conditions_on(metric))
        made.update(some(**{"for": lambda: duration(0.001, DAY, zero=True), "unless_above": lambda: line(metric, 0.9),
                            "again": lambda: draw.choice(["always", percent(0, 999)])}))
    if len(made) == 1 or maybe(0.1):
        made["every"] = duration(30 * DAY, 365 * DAY)
    made.update(some(why=why, cooldown=lambda: duration(0.001, 30 * DAY, zero=True), unless=unless,
                     max_per_hour=lambda: draw.randint(0, 1000), capture=lambda: draw.sample(KINDS, draw.randint(1, 4))))
    members = list(made.items())
    draw.shuffle(members)
    return dict(members)


def document():
    made = {"version": draw.choice([1, 1, 1.0]), "rules": [rule(i) for i in range(draw.choice([0, 1, 1, 2, 5]))]}
    made.update(some(**{
        "$schema": lambda: "./rules.schema.json", "why": why, "interval": lambda: duration(0.01, 3600),
        "heap": lambda: some(sample=lambda: size(1 << 10, 1 << 30), depth=lambda: draw.randint(1, 256), why=why,
                             baseline=lambda: duration(1, 30 * DAY)),
        "cpu": lambda: some(rate=lambda: written(draw.randint(1, 1000)) + "Hz", why=why, duration=lambda: duration(0.1, 3600),
                            before=lambda: duration(1, 600, zero=True)),
        "incidents": lambda: some(dir=lambda: draw.choice(["d", "/var/lib/x", "x" * 2048]), keep=lambda: draw.randint(0, 10**6),
                                  max_bytes=lambda: size(1 << 20, 1 << 50, zero=True), why=why,
                                  max_age=lambda: duration(60, 3650 * DAY, zero=True), max_per_hour=lambda: draw.randint(0, 1000),
                                  report=lambda: draw.random() < 0.5),
        "history": lambda: some(file=lambda: draw.choice(["on", "off"]), max=lambda: size(1 << 18, 64 << 20), why=why),
        "budget": lambda: percent(0.01, 100),
        "labels": lambda: {k: draw.choice(["", "v", "x" * 256]) for k in draw.sample(["a", "service", "ä", "x" * 256], 2)}},
        **LATER))
    for r in made["rules"]:  # with a long interval, three ticks do not fit into the default windows
        for key in ("growth", "reaches", "unusual"):
            if "interval" in made and key in r:
                r[key].setdefault("over", span(3))
    members = list(made.items())
    draw.shuffle(members)
    return dict(members)


def both_take_what_the_grammar_makes(count):
    documents = [json.dumps(document(), ensure_ascii=maybe(0.5)) for _ in range(count)]
    for text, told in zip(documents, reader_errors(documents)):
        if told:
            fail("the reader refuses: %s" % told, text)
        if not schema_takes(text):
            fail("the schema refuses: %s" % next(validator.iter_errors(json.loads(text))).message, text)


# ---- 2b. edges: the last value that is good, and the first that is not --------------------------------------------------
def with_rule(**members):
    return {"version": 1, "rules": [dict({"name": "a", "metric": "threads"}, **members)]}


def with_top(**members):
    return dict({"version": 1, "rules": []}, **members)


EDGES = {  # what: the document of a value, the least value and the most
    "heap.depth": (lambda v: with_top(heap={"depth": v}), 1, 256),
    "incidents.keep": (lambda v: with_top(incidents={"keep": v}), 0, 10**6),
    "incidents.max_per_hour": (lambda v: with_top(incidents={"max_per_hour": v}), 0, 1000),
    "a rule's max_per_hour": (lambda v: with_rule(above=1, max_per_hour=v), 0, 1000),
    "jitter.over": (lambda v: with_rule(jitter={"by": 1, "over": v}), 1, 4096),
    "growth.over": (lambda v: with_rule(growth={"rate": "1/s", "over": v}), 3, 4096),
    "reaches.over": (lambda v: with_rule(reaches={"line": 5, "within": "1s", "over": v}), 3, 4096),
    "reaches.line of cpu": (lambda v: with_rule(metric="cpu", reaches={"line": v, "within": "30d"}), 0, 100),
    "unusual.over": (lambda v: with_rule(unusual={"over": v}), 3, 4096),
    "unusual.score": (lambda v: with_rule(unusual={"score": v}), 1, 1000),
    "above": (lambda v: with_rule(above=v), 0, 10**15),
    "jitter.by": (lambda v: with_rule(jitter={"by": v}), 0, 10**15),
    "unusual.min of a gauge": (lambda v: with_rule(metric="gauge:q", unusual={"min": v}), -10**15, 10**15),
    "below of cpu": (lambda v: with_rule(metric="cpu", below=v), 0, 100),
    "the length of why": (lambda n: with_top(why="x" * n), 0, 1024),
    "the length of $schema": (lambda n: with_top(**{"$schema": "x" * n}), 0, 1024),
    "the length of incidents.dir": (lambda n: with_top(incidents={"dir": "x" * n}), 1, 2048),
    "the length of a label's name": (lambda n: with_top(labels={"x" * n: ""}), 1, 256),
    "the length of a label": (lambda n: with_top(labels={"a": "x" * n}), 0, 256),
    "the length of a rule's name": (lambda n: with_rule(name="x" * n, above=1), 1, 40),
    "the length of a name in only": (lambda n: with_top(only=["x" * n]), 1, 255),
    "names in only": (lambda n: with_top(only=["x%d" % i for i in range(n)]), 1, 64),
    "words of on_incident": (lambda n: with_top(on_incident=["x"] * n), 1, 64),
    "the length of a word of on_incident": (lambda n: with_top(on_incident=["x", "x" * n]), 0, 1024),
    "labels": (lambda n: with_top(labels={str(i): "" for i in range(n)}), 0, 64),
    "rules": (lambda n: {"version": 1, "rules": [{"name": str(i), "every": "1h"} for i in range(n)]}, 0, 1000),
}


def without(document, *path):
    """DOCUMENT but for the member at PATH."""
    del at(document, path[:-1])[path[-1]]
    return document


def incomplete():
    """What lacks something, each thing by itself: what it is, and the document."""
    on_metric = {"above": 5, "below": 5, "jitter": {"by": 5}, "growth": {"rate": "1/s"}, "reaches": {"line": 5, "within": "1m"}, "unusual": {}, "unless_above": 5}
    for key, value in on_metric.items():
        yield key + " without a metric", without(with_rule(every="1h", **{key: value}), "rules", 0, "metric")
    yield "a metric without a condition", with_rule(every="1h")
    yield "no condition", without(with_rule(), "rules", 0, "metric")
    for key in ("for", "again"):
        yield key + " for the clock alone", without(with_rule(every="1h", **{key: "0%" if key == "again" else "1s"}), "rules", 0, "metric")
    yield "no version", without(with_rule(above=1), "version")
    yield "no rules", without(with_rule(above=1), "rules")
    yield "no name", without(with_rule(above=1), "rules", 0, "name")
    yield "jitter of nothing", with_rule(jitter={"over": 5})
    yield "growth without a rate", with_rule(growth={"over": 5})
    yield "reaches without a line", with_rule(reaches={"within": "5m"})
    yield "reaches without a time", with_rule(reaches={"line": 5})
    yield "unless without a metric", with_rule(above=1, unless={"above": 5})
    yield "unless without a line", with_rule(above=1, unless={"metric": "fds"})


def both_know_the_edges():
    good, bad = [], []
    for what, (make, least, most) in EDGES.items():
        good += [(what, make(least)), (what, make(most))]
        bad.append((what, make(most + 1)))
        if least > 0 or not (what.startswith("the length") or what in ("labels", "rules")):  # there are no -1 of them
            bad.append((what, make(least - 1)))
    bad += list(incomplete())
    bad += [("no object", document) for document in ([], 7, "x", None, True)]
    for wanted, cases in ((True, good), (False, bad)):
        for (what, made), told in zip(cases, reader_errors([json.dumps(made) for _, made in cases])):
            if wanted != (not told):
                fail("the reader on the edge of %s: %s" % (what, told or "takes it"), json.dumps(made)[:300])
            if wanted != validator.is_valid(made):
                fail("the schema on the edge of %s" % what, json.dumps(made)[:300])


# ---- 3. one mistake on purpose -----------------------------------------------------------------------------------------
def nodes(value, path=()):
    yield path, value
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from nodes(value[key], path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def put(made, path, value):
    at(made, path[:-1])[path[-1]] = value
    return made


def one_of(found):
    found = list(found)
    return draw.choice(found) if found else None


def is_label(path):
    return len(path) == 2 and path[0] == "labels"


def quantities(made):
    return [(p, v) for p, v in nodes(made) if isinstance(v, str) and re.match(r"^[0-9]", v) and not is_label(p)
            and not p[-1] in ("why", "dir", "name")]


def unknown_key(made):
    path, owner = one_of((p, v) for p, v in nodes(made) if isinstance(v, dict) and p != ("labels",))
    owner[draw.choice(["abov", "Rules", "x", "metrics", "sample_", ""])] = draw.choice([1, "1s", {}, None])


def wrong_type(made):
    path, value = one_of((p, v) for p, v in nodes(made) if p)
    kept = type(value)
    other = [v for v in (True, None, [], {}, [[]], 17.5, -1) if type(v) != kept]
    if kept in (int, float):
        other = [v for v in other if not isinstance(v, (int, float)) or isinstance(v, bool)]
    if path[-1] in ("above", "below", "min", "by", "unless_above", "over"):
        other = [True, None, [], {}]
    if path[-1] in ("heap", "cpu", "incidents", "labels", "unusual"):
        other = [True, None, [], 17.5, "x"]
    if path == ("rules",):
        other = [True, None, {}, "x", 3]
    put(made, path, draw.choice(other))


def bad_unit(made):
    path, value = one_of(quantities(made))
    changed = re.sub(r"[A-Za-z%/]+$", "", value)
    put(made, path, changed + draw.choice(["", " s", "parsec", "kb", "hz", "MiBs", "mins", "%%", "/day"]) if changed != value or True else value)
    if at(made, path) == value or re.fullmatch(r"0+(\.0+)?", at(made, path)):
        put(made, path, "12 parsecs")


def bad_number(made):
    path, value = one_of(quantities(made))
    put(made, path, draw.choice(["-", "+", " ", ".", "0x", "1e", "1,"]) + value)


def missing_key(made):
    found = [((), k) for k in ("version", "rules")]
    for i, r in enumerate(made["rules"]):
        found.append((("rules", i), "name"))
        if "metric" in r:
            found.append((("rules", i), "metric"))
        if "growth" in r:
            found.append((("rules", i, "growth"), "rate"))
        if "reaches" in r:
            found.append((("rules", i, "reaches"), draw.choice(["line", "within"])))
        if "unless" in r:
            found.append((("rules", i, "unless"), "metric"))
    path, key = draw.choice(found)
    del at(made, path)[key]


def no_condition(made):
    r = one_of(made["rules"])
    for key in list(r):
        if key not in ("name", "why", "metric", "capture", "cooldown", "max_per_hour"):
            del r[key]


def out_of_bounds(made):
    found = {"depth": [0, 257, -1, 1.5], "keep": [-1, 10**6 + 1, 2.5], "max_per_hour": [-1, 1001, 0.5], "score": [0.99, 1001],
             "over": [0, 4097, -3, 10.5]}
    path, value = one_of((p, v) for p, v in nodes(made) if p and p[-1] in found and isinstance(v, (int, float)))
    put(made, path, draw.choice(found[path[-1]]))


def put_line(r, value):
    """VALUE as one of the lines that rule R may have."""
    path = draw.choice([("above",), ("below",), ("unless_above",), ("jitter", "min"), ("jitter", "by"), ("unusual", "min")])
    if len(path) == 2:
        r.setdefault(path[0], {"rise": "25%"} if path[0] == "jitter" else {})
    at(r, path[:-1])[path[-1]] = value


def line_out_of_bounds(made):
    r = one_of(r for r in made["rules"] if METRICS.get(r.get("metric")) in ("percent", "number", "gauge"))
    put_line(r, {"percent": [-0.5, 100.5], "number": [-1, 2e15], "gauge": [-2e15, 2e15]}[METRICS[r["metric"]]][draw.randint(0, 1)])


def line_of_another_kind(made):
    r = one_of(r for r in made["rules"] if "metric" in r)
    bad = {"bytes": [512, "1MiB/s", "512"], "bytes/s": [512, "1MiB", "50%"], "percent": ["1MiB", "10Hz"],
           "number": ["80%", "500", "1MiB"], "descriptors": ["500", "1MiB"], "gauge": ["80%", "500", "1s"]}
    put_line(r, draw.choice(bad[METRICS[r["metric"]]]))


def rate_of_another_kind(made):
    r = one_of(r for r in made["rules"] if "growth" in r)
    r["growth"]["rate"] = "10/min" if METRICS[r["metric"]] == "bytes" else "10MiB/min"


def bad_name(made):
    one_of(made["rules"])["name"] = draw.choice(["", "A", "a b", "x" * 41, "ä", "a/b", 7])


def bad_metric(made):
    owner = one_of(v for _, v in nodes(made) if isinstance(v, dict) and "metric" in v)
    owner["metric"] = draw.choice(["rsss", "RSS", "", "gauge:", "gauge:Bad", "gauge:" + "x" * 41, "gauge", "heap"])


def bad_capture(made):
    one_of(made["rules"])["capture"] = draw.choice([[], ["hepa"], ["heap", "heap"], "heap", {"heap": 1}, [["heap"]]])


def bad_labels(made):
    made["labels"] = draw.choice([{"": "x"}, {"a": 1}, {"x" * 257: "a"}, {"a": "x" * 257}, ["a"],
                                  {str(i): "" for i in range(65)}])


def bad_later(made):
    made.update(draw.choice([{key: bad} for key in LATER for bad in (True, 7, {}, [], [7], "most", ["/usr/bin/x"])
                             if bad != ["/usr/bin/x"] or key not in ("on_incident", "plumbing")]))


def for_the_clock_alone(made):
    made["rules"].append({"name": "clock", "every": "1h", draw.choice(["for", "again"]): "0%"})


def quantity_out_of_bounds(made):
    made[draw.choice(["interval", "budget"])] = "0"
    made["budget"] = draw.choice(["101%", "0%"])
    made["interval"] = draw.choice(["1ms", "2h", "99999999999999999999s"])


def duplicate_name(made):
    made["rules"] = [{"name": "a", "every": "1h"}, {"name": "a", "every": "2h"}]


def lines_the_wrong_way_round(made):
    made["rules"] = [dict({"name": "a", "metric": "threads"}, **draw.choice([{"above": 5, "unless_above": 5}, {"above": 5, "below": 9}]))]


def cooldown_beyond_every(made):
    made["rules"] = [{"name": "a", "every": "1h", "cooldown": "61m"}]


def long_in_bytes(made):
    made["why"] = "ä" * 513


def unknown_word(made):
    made["on_incident"] = ["/bin/echo", draw.choice(["{di}", "{dir} {reasons}", "{x}", "a{dir_}"])]


def unknown_label(made):
    made["on_incident"] = ["/bin/echo", draw.choice(["{label:nobody's}", "{label:}"])]


def program_without_a_name(made):
    made["on_incident"] = ["", "{dir}"]


MISTAKES = [unknown_key, wrong_type, bad_unit, bad_number, missing_key, no_condition, out_of_bounds, line_out_of_bounds,
            line_of_another_kind, rate_of_another_kind, bad_name, bad_metric, bad_capture, bad_labels, for_the_clock_alone, unknown_word]
MISTAKES += [bad_later] if LATER else []
MISTAKES_BEYOND = {"a quantity with a unit is out of bounds": quantity_out_of_bounds, "a name stands twice": duplicate_name,
                   "two lines are the wrong way round": lines_the_wrong_way_round,
                   "the cooldown is longer than every": cooldown_beyond_every,
                   "a text is short in characters and long in bytes": long_in_bytes,
                   "a word names a label that is not there": unknown_label,
                   "the program has no name": program_without_a_name}


def with_mistake(mistake):
    """A document that MISTAKE found a place in."""
    while True:
        made = document()
        try:
            before = json.dumps(made)
            mistake(made)
            if json.dumps(made) != before:
                return json.dumps(made, ensure_ascii=False)
        except (TypeError, IndexError):
            pass  # it has no such place


def twice(text):
    """The first key of TEXT once more at its end, which json.dumps cannot write."""
    return '%s, "version": 1}' % text[:-1]


def both_refuse_mistakes(each):
    cases = [(mistake.__name__, with_mistake(mistake)) for mistake in MISTAKES for _ in range(each)]
    for (name, text), told in zip(cases, reader_errors([text for _, text in cases])):
        if not told:
            fail("the reader takes %s" % name, text)
        if schema_takes(text):
            fail("the schema takes %s" % name, text)
    beyond = [(kind, with_mistake(mistake)) for kind, mistake in MISTAKES_BEYOND.items() for _ in range(5)]
    beyond += [("a key stands twice", twice(json.dumps(document()))) for _ in range(5)]
    for (kind, text), told in zip(beyond, reader_errors([text for _, text in beyond])):
        if not told or not any(re.search(BEYOND[kind], m) for m in told):
            fail("the reader on \"%s\": %s" % (kind, told), text)
        if not schema_takes(text):
            fail("the schema can say after all that %s" % kind, text)
    missing = set(BEYOND) - {kind for kind, _ in beyond}
    if missing:
        fail("never tried: %s" % missing)


# ---- 4. random changes ---------------------------------------------------------------------------------------------------
ATOMS = [0, 1, 2, 10, -1, 1.5, 10.0, 1e15, 1e16, True, False, None, "", "0", "1", "10s", "1h", "10%", "0%", "100%", "101%", "1MiB",
         "0B", "1MiB/min", "10/min", "99Hz", "always", "rss", "cpu", "threads", "gauge:q", "heap", [], {}, ["heap"], ["x"],
         {"rise": "25%"}, {"rate": "1MiB/min"}, {"metric": "cpu", "above": 3}, {"over": 10}]


def known_keys():
    return sorted((keys | conditions) - unknown)


def change(made):
    path, value = one_of(nodes(made))
    turn = draw.randrange(4)
    if turn == 0 and path:
        put(made, path, copy.deepcopy(draw.choice(ATOMS)))
    elif turn == 1 and isinstance(value, dict):
        value[draw.choice(known_keys())] = copy.deepcopy(draw.choice(ATOMS))
    elif turn == 2 and path and isinstance(at(made, path[:-1]), dict):
        del at(made, path[:-1])[path[-1]]
    elif path:
        _, other = one_of(nodes(document()))
        put(made, path, copy.deepcopy(other))


def both_agree_on_random_changes(count):
    documents = []
    while len(documents) < count:
        made = document()
        for _ in range(draw.choice([1, 1, 2, 3])):
            change(made)
        documents.append(json.dumps(made, ensure_ascii=False))
    taken = 0
    for text, told in zip(documents, reader_errors(documents)):
        takes = schema_takes(text)
        taken += takes and not told
        if not told and not takes:
            fail("only the schema refuses: %s" % next(validator.iter_errors(json.loads(text))).message, text)
        if told and takes:
            strange = [m for m in told if not any(re.search(words, m) for words in BEYOND.values())]
            if strange:
                fail("only the reader refuses: %s" % strange, text)
    return taken


if not failures:
    both_take_what_the_grammar_makes(300)
    both_know_the_edges()
    both_refuse_mistakes(25)
    taken = both_agree_on_random_changes(800)
    print("seed %d: 300 documents taken, %d mistakes refused, 800 random changes agreed upon (%d of them taken by both)%s"
          % (seed, 25 * len(MISTAKES), taken, "; not in this version: %s" % ", ".join(sorted(unknown)) if unknown else ""))
sys.exit(1 if failures else 0)
