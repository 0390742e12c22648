/* process.h - what /proc tells of a process. Context: watcher, CLI. */
#pragma once
#include <stdint.h>

/* When process PID (0: this one) was started, CLOCK_REALTIME; 0 when there is no such process. */
int64_t gs_process_started_ns(int pid);
