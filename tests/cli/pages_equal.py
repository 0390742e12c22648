#!/usr/bin/env python3
"""pages_equal.py [--figures] A B: the parts of two pages of an incident that are not the same, one a line; on standard error, how they
differ. A part is a section (its id), or a member of the data that the scripts show; a profile counts unpacked. Lists of files, and the
place of the incident in its summary, do not count. --figures: the names in profiles, in histories and in the text do not count either."""
import base64
import difflib
import json
import re
import sys
import zlib


def unpacked(profile):
    packed = profile.pop("data", None)
    return dict(profile, tree=json.loads(zlib.decompress(base64.b64decode(packed))) if packed else None)


def parts(path):
    with open(path, encoding="utf-8") as file:
        head, _, rest = file.read().partition('<main id="main">')
    main, _, rest = rest.partition("</main>")
    data, _, scripts = rest.partition('id="gumshoe-data">')[2].partition("</script>")
    data, section = json.loads(data), re.compile(r'<(section|header) id="([^"]*)">(.*?)</\1>', re.S)
    main = re.sub(r"<li><code>[\w.-]+</code> [\d.]+ [KMG]?i?B</li>\n|^read on: .*\n", "", main, flags=re.M)
    found = {"head": head, "scripts": scripts, "between sections": section.sub("", main)}
    found.update((match[2], match[3]) for match in section.finditer(main))
    found.update(("profile " + profile["id"], unpacked(profile)) for profile in data.pop("profiles"))
    found.update(("data " + key, value) for key, value in data.pop("incident").items())
    return dict(found, data=data)


def figures(found):
    """What is left of a page without names."""
    left = {}
    for name, value in found.items():
        if name.startswith("profile "):
            tree = value["tree"] and {"up": value["tree"]["up"], "self": value["tree"]["self"], "functions": len(value["tree"]["frames"])}
            left[name] = dict(value, tree=tree, comments=None)
        elif name == "data history":
            left[name] = [[metric["unit"], metric["all"], [line["all"] for line in metric["lines"]]] for metric in value["metrics"]]
        elif name.startswith("data "):
            left[name] = value
    return left


def printed(value):
    return (value if isinstance(value, str) else json.dumps(value)).splitlines()


def main():
    a, b = map(parts, sys.argv[-2:])
    if "--figures" in sys.argv:
        a, b = figures(a), figures(b)
    for name in sorted(set(a) | set(b)):
        if a.get(name) != b.get(name):
            print(name)
            lines = difflib.unified_diff(printed(a.get(name, "")), printed(b.get(name, "")), lineterm="", n=0)
            print(*[line[:400] for line in lines][:40], sep="\n", file=sys.stderr)


main()
