"""frames_by_gdb.py - inside gdb: at samples of a preloaded program, the stack that was taken against gdb's own unwinding.

    gdb -batch -x frames_by_gdb.py --args PROGRAM…      with SAMPLES, SKIP in the environment

Every SKIPth sample of the program is looked at, SAMPLES in all. gs_heap_stack_intern(frames, depth, cut, …) is where each stack
passes by; there gdb's frames, from the first outside the library on, must have the very same addresses. Prints a line
with the counts; exit status 1 when a frame differed, or the program had fewer samples.
"""
import os
import struct

import gdb

SAMPLES, SKIP = int(os.environ["SAMPLES"]), int(os.environ["SKIP"])


def ours():
    at, depth = int(gdb.parse_and_eval("$rdi")), int(gdb.parse_and_eval("$esi"))
    memory = gdb.selected_inferior().read_memory(at, depth * 8)
    return list(struct.unpack(f"{depth}Q", bytes(memory)))


def by_gdb(most):
    """Return addresses from the caller of the hook on; an interrupted frame's exact address plus one, as ours have it."""
    frames, frame, exact = [], gdb.newest_frame(), False
    while frame and "libgumshoe" in (gdb.solib_name(frame.pc()) or ""):
        frame = frame.older()
    while frame and len(frames) < most:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):  # the stack has neither
            frames.append(frame.pc() + exact)
            exact = frame.type() == gdb.SIGTRAMP_FRAME
        frame = frame.older()
    return frames


def named(addresses):
    return " < ".join(f"{a:#x} {gdb.execute(f'info symbol {a - 1:#x}', to_string=True).split(' in ')[0].strip()}" for a in addresses)


for setting in ("pagination off", "backtrace past-main on", "backtrace past-entry on", "breakpoint pending on",
                "startup-with-shell off", "debuginfod enabled off", "disable-randomization off"):
    gdb.execute("set " + setting)
gdb.execute("handle all nostop noprint pass", to_string=True)
gdb.execute("tbreak gs_heap_stack_intern", to_string=True)  # its first instruction is known once the library is loaded
gdb.execute("run", to_string=True)
stop = gdb.Breakpoint("*gs_heap_stack_intern")
compared = frames = deepest = differ = cut = 0
stop.ignore_count = SKIP
gdb.execute("continue", to_string=True)
while compared < SAMPLES and gdb.selected_inferior().pid:
    mine = ours()
    theirs = by_gdb(len(mine) + 1)
    cut += int(gdb.parse_and_eval("$edx")) & 1
    compared += 1
    frames += len(mine)
    deepest = max(deepest, len(mine))
    if mine != theirs:
        differ += 1
        print(f"sample {compared} differs\n  ours: {named(mine)}\n  gdb:  {named(theirs)}")
    stop.ignore_count = SKIP
    gdb.execute("continue", to_string=True)
print(f"{compared} stacks, {frames} frames, at most {deepest} deep: {differ} differ, {cut} cut")
if gdb.selected_inferior().pid:
    gdb.execute("kill", to_string=True)
gdb.execute(f"quit {int(differ > 0 or compared < SAMPLES)}")
