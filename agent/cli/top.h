/* top.h - what the files of `gumshoe top` share. */
#pragma once
#include "cli/view.h"

/* Print the lifetimes of PATH: a profile, or an incident's folder. Returns an exit status (top_lifetime.c). */
int gs_cli_top_lifetime(const char *path, const struct gs_view_options *options);
