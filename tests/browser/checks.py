"""checks.py - how the tests in a browser say what they check, and fail."""
import sys


def it(words):
    print("  it " + words, flush=True)


def equal(got, wanted, what=""):
    if got != wanted:
        sys.exit("FAILED: %s: wanted %r, got %r" % (what or "values", wanted, got))


def holds(condition, what):
    if not condition:
        sys.exit("FAILED: " + what)
