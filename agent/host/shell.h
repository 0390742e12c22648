/* shell.h - a watched shell whose script starts the server as another program, instead of with exec: that program is not
 * watched. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { GS_SHELL_NAME = 128, GS_SHELL_TEXT = 320 };

/* This process is a shell that runs a script: its name goes to OUT, as "sh (script start.sh)"; "sh (option -c)" if the
 * commands are an argument. False: it is not; OUT is "".  Context: watcher. */
bool gs_shell_name(char out[GS_SHELL_NAME]);
/* The script has started a program that runs for more than two seconds now, unwatched: OUT is a sentence that says so,
 * and what to do. False: it has not; OUT is "".  Context: watcher. */
bool gs_shell_explain(char out[GS_SHELL_TEXT]);
/* Log that sentence, once in a process. NOW_NS: CLOCK_MONOTONIC.  Context: watcher, at each tick. */
void gs_shell_tick(int64_t now_ns);
