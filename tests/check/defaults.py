#!/usr/bin/python3
"""tests/check/defaults.py SOURCE: the defaults of a rules file are the same in agent/rules/defaults.c, which the code reads, in
rules/rules.schema.json, in docs/rules.md and in docs/gumshoe-rules.5."""
import json, re, sys

source = sys.argv[1]
failures = []


def read(name):
    return open(source + "/" + name, encoding="utf-8").read()


def fail(what):
    failures.append(what)
    print("FAILED:", what)


def flat(members, prefix=""):
    """{"heap": {"depth": 64}} as {"heap.depth": 64}."""
    out = {}
    for key, value in members.items():
        out.update(flat(value, prefix + key + ".") if isinstance(value, dict) else {prefix + key: value})
    return out


# ---- the code ----------------------------------------------------------------------------------------------------------
rows = re.findall(r'\{"([a-z ]+)", AS_JSON\((\{.*?\})\)\}', read("agent/rules/defaults.c"), re.S)
table = {name: json.loads(members) for name, members in rows}
EXCEPTIONS = {"rule on cpu": "on cpu", "rule without metric": "without a metric"}  # what they are called in the documents
for name in {"file", "rule", *EXCEPTIONS} - set(table):
    fail("agent/rules/defaults.c has no row \"%s\"" % name)
defaults = flat(table["file"])
defaults.update({"rules." + key: value for key, value in table["rule"].items()})
for name in set(table) - {"file", "rule", *EXCEPTIONS}:
    defaults.update(flat(table[name], "rules." + name + "."))


# ---- the schema --------------------------------------------------------------------------------------------------------
def in_schema(properties, prefix=""):
    out = {}
    for key, node in properties.items():
        if "default" in node:
            out[prefix + key] = node["default"]
        out.update(in_schema(node.get("properties", {}), prefix + key + "."))
    return out


schema = json.loads(read("rules/rules.schema.json"))
written = in_schema(schema["properties"])
written.update(in_schema(schema["definitions"]["rule"]["properties"], "rules."))
for key in sorted(set(defaults) | set(written)):
    if defaults.get(key) != written.get(key):
        fail("%s: %s in agent/rules/defaults.c, %s in rules/rules.schema.json" % (key, defaults.get(key), written.get(key)))


# ---- docs/rules.md: the tables with a column "default" -------------------------------------------------------------------
def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


cells = {}
for table_text in re.findall(r"(?:^\|.*\n)+", read("docs/rules.md"), re.M):
    lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table_text.splitlines()]
    if lines[0][:2] == ["key", "default"]:
        cells.update({line[0].replace("`", ""): line[1].replace("`", "") for line in lines[2:]})
for key, value in sorted(defaults.items()):
    name = key[len("rules."):] if key.startswith("rules.") else key
    wanted = text_of(value)
    for row, words in EXCEPTIONS.items():
        if key.startswith("rules.") and name in table[row]:
            wanted += "; %s %s" % (words, text_of(table[row][name]))
    if cells.get(name) != wanted:
        fail("%s: \"%s\" in docs/rules.md, which should be \"%s\"" % (name, cells.get(name), wanted))


# ---- docs/gumshoe-rules.5: a paragraph for each key, in which its members are bold ---------------------------------------
def plain(text):
    return re.sub(r"\\f[A-Z]", "", text).replace("\\-", "-").replace("\\(dq", '"').replace("\n", " ")


paragraphs = {}
for section in re.split(r"^\.S[SH] ", read("docs/gumshoe-rules.5"), flags=re.M):
    prefix = "rules." if section.startswith("Keys of a rule") else ""
    for key, text in re.findall(r"^\.TP\n\.B (\S+)\n((?:(?!\.TP).*\n)*)", section, re.M):
        paragraphs[prefix + key] = text


def spoken(value):
    return " and ".join(value) if isinstance(value, list) else text_of(value)


for key, value in sorted(defaults.items()):
    owner, _, member = key.rpartition(".")
    if key in paragraphs:
        text = paragraphs[key]
    else:  # the part of its owner's paragraph from the bold name on, to the next
        parts = re.split(r"\\fB([a-z_]+)\\fR", paragraphs.get(owner, ""))
        text = " ".join(parts[i + 1] for i in range(1, len(parts), 2) if parts[i] == member)
    word = re.escape(spoken(value))
    if not re.search(r"\bdefault %s(?![0-9A-Za-z])|(?<![0-9A-Za-z])%s, the default" % (word, word), plain(text), re.I):
        fail("%s: docs/gumshoe-rules.5 does not say \"default %s\": %s" % (key, spoken(value), plain(text)[:160]))

print("%d defaults" % len(defaults))
sys.exit(1 if failures else 0)
