/* export.h - the formats of `gumshoe export` that have files of their own. Each prints VIEW and returns an exit status. */
#pragma once
#include "cli/view.h"

int gs_cli_export_pprof_text(const struct gs_view *view); // export_pprof_text.c
int gs_cli_export_dhat(const struct gs_view *view);       // export_dhat.c
