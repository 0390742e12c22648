#!/usr/bin/env python3
"""flame.py SHOTS: the pages and pictures that flame.sh has made here, in a browser. Screenshots go to the folder SHOTS."""
import sys

from browser import Browser
from checks import equal, holds, it

SHOTS = sys.argv[1] + "/"
DRAWN = "document.querySelector('.functions tbody tr')"


def opened(browser, path, **window):
    page = browser.page(**window)
    page.open(path)
    page.wait(DRAWN)
    return page


def row(page, name):
    """The figures of a function in the table: self, share, total, share, source."""
    return page.evaluate("Array.from(document.querySelectorAll('.functions tbody tr')).filter((row) => row.querySelector('button').textContent === %r)"
                         ".map((row) => [...Array.from(row.querySelectorAll('.number')), row.querySelector('.place')].map((cell) => cell.textContent))[0]" % name)


def state(page):
    return page.evaluate("location.hash")


def frame_at(page, row, share=0.1):
    """A place in a row of the graph, in window coordinates."""
    return page.evaluate("(() => { const area = document.querySelector('canvas').getBoundingClientRect();"
                         " return [area.x + area.width * %f, area.y + 20 * %d + 10]; })()" % (share, row))


def quiet(page):
    equal(page.messages, [], "messages on the console")


def figures(browser):
    it("shows the profile's figures")
    page = opened(browser, "now.html")
    equal(page.text(".detail b"), "Held now: 1000kB")
    equal(row(page, "cache_put"), ["0B", "", "500kB", "50.0%", "cache.c:120"])
    equal(row(page, "parse"), ["0B", "", "250kB", "25.0%", "parse.c:9"], "a recursive function, once")
    equal(row(page, "log_line"), ["50kB", "5.00%", "50kB", "5.00%", "log.c:7"])
    equal(row(page, "shop::Map<…>::insert(…)")[4], "map.cc:77", "its name without arguments")
    it("switches between the sample types")
    page.press("v")
    page.press("v")
    equal(page.text(".detail b"), "Allocated: 3.47MB")
    equal(state(page), "#view=alloc_space")
    page.click_on(".switch button")
    equal(page.text(".detail b"), "Held now: 1000kB")
    it("makes no request, and writes nothing on the console")
    equal(len(page.requests), 1, "requests")
    quiet(page)
    page.screenshot(SHOTS + "light.png", whole=True)


def zoom(browser):
    it("zooms at a click; a second click or Esc goes back")
    page = opened(browser, "now.html")
    page.click(*frame_at(page, 3))
    equal(page.text(".detail b"), "accept_one")
    holds(state(page).startswith("#zoom=0."), "the zoom is in the address: " + state(page))
    page.screenshot(SHOTS + "zoom.png")
    page.click(*frame_at(page, 3, 0.9)) # the same frame, now at full width
    equal(state(page), "", "after the second click")
    page.click(*frame_at(page, 3))
    page.press("Escape")
    equal(state(page), "", "after Esc")
    it("says at the pointer what a frame is")
    page.move(*frame_at(page, 4))
    equal(page.text(".tip b"), "cache_put")
    equal(page.text(".tip"), "cache_put500kB, 50.0% of all, self 0Bprogram, cache.c:120")
    quiet(page)


def search(browser):
    it("searches by regular expression, with the share that matched, next and previous")
    page = opened(browser, "now.html")
    page.press("/")
    page.type("^parse$|LOG_")
    equal(page.text(".found"), "30.0% matched")
    equal(page.text(".functions h3"), "2 functions that match")
    page.press("Enter")
    equal(page.text(".detail b"), "parse")
    page.press("Escape") # clears the text
    equal(page.text(".found"), "")
    page.press("Escape") # leaves it
    page.press("/")
    page.type("malloc")
    page.evaluate("document.activeElement.blur()")
    seen = []
    for key in ("n", "n", "N", "N"):
        page.press(key)
        seen.append(page.text(".detail"))
    equal([words.split("of all")[0] for words in seen], ["malloc500kB, 50.0% ", "malloc250kB, 25.0% ", "malloc500kB, 50.0% ", "malloc200kB, 20.0% "])
    it("does not fall for an expression that is none")
    page.press("/")
    page.type("(")
    equal(page.text(".found"), "not a regular expression")
    quiet(page)


def shapes(browser):
    it("inverts, folds recursion, hides the runtime")
    page = opened(browser, "now.html")
    page.press("i")
    for _ in range(1):
        page.press("ArrowDown")
    equal(page.text(".detail b"), "malloc")
    holds("950kB, 95.0% of all" in page.text(".detail"), "malloc holds 950kB: " + page.text(".detail"))
    page.press("h")
    equal(row(page, "cache_put"), ["500kB", "50.0%", "500kB", "50.0%", "cache.c:120"], "what malloc holds is its caller's")
    equal(row(page, "malloc"), None, "a hidden function")
    page.press("ArrowDown")
    equal(page.text(".detail b"), "cache_put")
    page.screenshot(SHOTS + "inverted.png")
    page.press("i")
    rows = "document.querySelector('canvas').clientHeight"
    before = page.evaluate(rows)
    page.press("r")
    equal(before - page.evaluate(rows), 2 * 20, "two rows of parse are folded")
    equal(state(page), "#fold=1&runtime=hide")
    it("shows the callers and callees of one function")
    page.press("h")
    page.press("h")
    page.click_on(".functions tbody tr:nth-child(3) button")
    page.evaluate("document.querySelectorAll('.functions tbody button').forEach((b) => b.textContent === 'malloc' && b.click())")
    equal(page.text(".detail"), "malloc950kB, 95.0% of all, self 950kBruntime, libc.so.6")
    holds("callers and callees of malloc" in page.text(".trail"), "the trail says so")
    page.press("ArrowUp")
    equal(page.text(".detail b"), "cache_put", "the heaviest caller")
    page.press("ArrowDown")
    equal(page.text(".detail b"), "malloc", "and back")
    page.screenshot(SHOTS + "sandwich.png")
    page.press("Escape")
    equal(state(page), "#fold=1")
    quiet(page)


def keyboard(browser):
    it("is used by keys alone")
    page = opened(browser, "now.html")
    walk = []
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp"):
        page.press(key)
        walk.append(page.text(".detail b"))
    equal(walk, ["_start", "main", "accept_one", "parse", "SSL_do_handshake", "log_line", "SSL_do_handshake", "main"])
    page.press("ArrowDown")
    page.press("Enter")
    holds(state(page).startswith("#zoom="), "Enter zooms")
    page.press("Home")
    equal(state(page), "")
    it("explains its keys")
    page.press("?")
    holds("next match" in page.text("dialog"), "the help")
    page.screenshot(SHOTS + "help.png")
    page.press("Escape")
    page.wait("document.querySelector('dialog') === null") # it is removed once it has closed
    equal(page.evaluate("document.querySelector('dialog')"), None, "closed")
    it("has its text for screen readers, in the page and in the graph's label")
    holds("Held now: 1000kB" in page.evaluate("document.querySelector('canvas').getAttribute('aria-label')"), "the canvas has a label")
    holds("cache_put" in page.text("details.alternative"), "the tables as text")
    equal(page.evaluate("document.querySelector('.detail').getAttribute('aria-live')"), "polite")
    quiet(page)


def link(browser):
    it("restores what a link says")
    page = opened(browser, "now.html")
    page.press("v")
    page.press("i")
    page.press("/")
    page.type("cache")
    page.press("Enter")
    page.evaluate("document.activeElement.blur()")
    page.press("Enter")
    wanted, words = state(page), page.text(".detail")
    holds("zoom=" in wanted and "search=cache" in wanted and "invert=1" in wanted and "view=inuse_objects" in wanted, wanted)
    other = opened(browser, "now.html" + wanted)
    equal(other.evaluate("document.querySelector('input').value"), "cache")
    equal(other.text(".detail"), words)
    equal(state(other), wanted)
    it("is not harmed by one that says nonsense")
    wrong = opened(browser, "now.html#zoom=9.9.9&view=%00&of=999999999&search=(&runtime=<script>&theme=x")
    equal(wrong.text(".detail b"), "Held now: 1000kB")
    quiet(wrong)
    quiet(other)


def differential(browser):
    it("tells what grew, shrank, is new and is gone: by words, signs and patterns, not by colour alone")
    page = opened(browser, "diff.html")
    equal(page.text(".detail"), "Held now: +150kBgrew: +150kB (20.0% of all change), from 850kB to 1000kB")
    equal(row(page, "cache_put")[2:4], ["+400kB", "53.3%"])
    equal(row(page, "parse")[2:4], ["−250kB", "−33.3%"])
    equal(row(page, "log_line")[2:4], ["+50kB", "6.67%"])
    equal(row(page, "old_logger")[2:4], ["−50kB", "−6.67%"])
    equal(row(page, "SSL_do_handshake")[2:4], ["±0", ""])
    holds("grew" in page.text(".legend") and "gone" in page.text(".legend"), "the legend")
    page.screenshot(SHOTS + "differential.png")
    page.press("/")
    page.type("logger")
    page.press("Enter")
    equal(page.text(".detail"), "old_loggergone: −50kB (−6.67% of all change), from 50kB to 0Bprogram, log.c")
    page.evaluate("document.activeElement.blur()")
    page.press("w")
    equal(page.text(".found"), "6.67% matched", "widths are of the change alone")
    quiet(page)


def negative(browser):
    it("shows negative values of a profile as what has shrunk")
    page = opened(browser, "negative.html")
    equal(page.text(".detail b"), "Held now: +200kB")
    equal(row(page, "grown")[2:4], ["+300kB", "75.0%"])
    equal(row(page, "freed")[2:4], ["−100kB", "−25.0%"])
    quiet(page)


def filters(browser):
    it("takes the filters and the sample type of the other commands")
    page = opened(browser, "focus.html")
    equal(page.text(".detail b"), "Allocated: 1000kB")
    equal(row(page, "parse"), None)
    quiet(page)


def harmless(browser):
    it("is not harmed by names, as a page")
    page = opened(browser, "hostile.html")
    equal(page.evaluate("window.harmed"), None)
    equal(page.evaluate("document.scripts.length"), 7, "elements of scripts") # the data, and one for each file
    equal(page.evaluate("document.images.length + document.querySelectorAll('main script, main style, b b').length"), 0)
    equal(page.evaluate("document.title"), "</title><script>window.harmed=8</script>")
    names = page.evaluate("Array.from(document.querySelectorAll('.functions tbody button')).flatMap((button) => [button.title.split('\\n')[0], button.textContent])")
    for name in ("<script>window.harmed=1</script>", "__proto__", "constructor", "\\x1b[31mred\\x1b]0;title\\x07", "\\u{202e}evil\\u{202c}", "&lt;script&gt;",
                 "\\xff\\xfe\\xc0\\x80", "operator<<(…)"):
        holds(name in names, "%r is not in the table: %r" % (name, names))
    holds(any(name.startswith("std::vector<") and name.endswith("::the_method(…)") and len(name) < 100 for name in names), "a long name keeps its method")
    for key in ("i", "ArrowDown", "s", "Escape", "h"):
        page.press(key)
    page.screenshot(SHOTS + "hostile.png")
    equal(page.evaluate("window.harmed"), None, "after use")
    quiet(page)
    it("runs no script of another origin: its policy forbids it")
    page.evaluate("(() => { const s = document.createElement('script'); s.textContent = 'window.harmed = 9'; document.body.append(s); })()")
    equal(page.evaluate("window.harmed"), None)
    it("loads nothing: its policy forbids that, too")
    refused = page.evaluate("new Promise((done) => { document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));"
                            " const image = new Image(); image.onload = () => done('loaded');"
                            " image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='; })")
    equal(refused, "img-src", "the directive that refuses an image")
    it("shows units that it does not know, also such as a script has by itself")
    units = opened(browser, "units.html")
    equal(row(units, "f")[0], "6 __proto__")
    units.press("v")
    equal(row(units, "f")[0], "5 constructor")
    quiet(units)
    it("is not harmed by names, as a picture")
    picture = browser.page()
    picture.open("hostile.svg")
    equal(picture.evaluate("[window.harmed, document.scripts ? document.querySelectorAll('script').length : 0]"), [None, 1])
    picture.click(600, 100)
    equal(picture.evaluate("window.harmed"), None)
    quiet(picture)


def without_script(browser):
    it("is readable without script")
    page = browser.page()
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open("now.html")
    page.screenshot(SHOTS + "without-script.png", has_script=False)
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    holds("Held now: 1000kB" in page.text("h2") and "cache_put" in page.text("section.text table"), "tables")
    equal(page.evaluate("document.querySelectorAll('canvas').length"), 0)


def picture(browser):
    it("makes a picture that zooms, goes back and searches")
    page = browser.page()
    page.open("now.svg")
    shown = "Array.from(document.querySelectorAll('#frames > .f')).filter((f) => f.style.display !== 'none').map((f) => f.querySelector('title, text').textContent.split('\\n')[0])"
    place = ("(() => { const r = Array.from(document.querySelectorAll('#frames > .f')).find((f) => f.textContent.startsWith(%r)).querySelector('rect')"
             ".getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
    equal(len(page.evaluate(shown)), 14, "frames")
    page.click(*page.evaluate(place % "accept_one"))
    equal(page.evaluate(shown), ["all", "_start", "main", "accept_one", "cache_put", "malloc"])
    equal(page.text("#detail"), "accept_one — 500kB, 50.00% of all — server.c:88")
    page.screenshot(SHOTS + "picture-zoom.png")
    page.click(*page.evaluate(place % "accept_one"))
    equal(len(page.evaluate(shown)), 14, "a second click goes back")
    page.click(*page.evaluate(place % "parse"))
    page.press("Escape")
    equal(len(page.evaluate(shown)), 14, "Esc goes back")
    page.evaluate("window.prompt = () => 'parse|log_'")
    page.press("/")
    holds("30.0% matched" in page.evaluate("document.documentElement.textContent"), "the share that matched")
    equal(page.evaluate("document.querySelectorAll('.match').length"), 4)
    page.screenshot(SHOTS + "picture.png")
    equal(len(page.requests), 1, "requests")
    quiet(page)
    page.open("diff.svg")
    classes = page.evaluate("Array.from(document.querySelectorAll('#frames > .f'), (f) => f.getAttribute('class').slice(2) + ' ' + f.querySelector('text')?.textContent)")
    for wanted in ("grew ▲ cache_put", "shrank ▼ parse", "same = SSL_do_handshake"):
        holds(wanted in classes, "%r is not in %r" % (wanted, classes))
    holds(any(one.startswith("new ") for one in classes) and any(one.startswith("gone ") for one in classes), "new and gone: %r" % classes)
    page.screenshot(SHOTS + "picture-differential.png")
    quiet(page)


def many(browser):
    it("draws 5,000 stacks")
    page = opened(browser, "many.html")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")
    drawn = page.evaluate("performance.getEntriesByName('gumshoe-drawn')[0].startTime")
    print("    first paint after %s ms, the graph after %.0f ms" % (paint and round(paint), drawn)) # a figure, not a limit
    page.click(*frame_at(page, 4, 0.02))
    page.screenshot(SHOTS + "many.png")
    quiet(page)


def looks(browser):
    it("has a dark, a phone's and a printer's look, for people to see")
    dark = opened(browser, "diff.html", dark=True)
    dark.screenshot(SHOTS + "dark.png", whole=True)
    paper = dark.evaluate("getComputedStyle(document.body).backgroundColor")
    dark.press("d")
    holds(dark.evaluate("getComputedStyle(document.body).backgroundColor") != paper, "the key d changes it")
    dark.press("d")
    dark.media(dark=True, kind="print")
    equal(dark.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)", "paper is white")
    dark.screenshot(SHOTS + "print.png", whole=True)
    dark.print(SHOTS + "print.pdf")
    quiet(dark)
    phone = opened(browser, "now.html", width=390, height=800, scale=2)
    holds(phone.evaluate("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone")
    phone.screenshot(SHOTS + "phone.png", whole=True)
    quiet(phone)


def main():
    with Browser() as browser:
        for check in (figures, zoom, search, shapes, keyboard, link, differential, negative, filters, harmless, without_script, picture, many, looks):
            check(browser)


main()
