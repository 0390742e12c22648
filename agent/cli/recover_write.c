/* recover_write.c - the incident of a process that died, written into a store: the last step of `gumshoe recover`, whether a black box
 * (recover_box.c) or a core file (recover_core.c) was read. While another process makes such incidents in the same store, it waits. */
#include "cli/cli.h"
#include "incident/incident.h"
#include "store/store.h"
#include <errno.h>
#include <string.h>

int gs_write_remains(const char *file, const struct gs_remains *remains, const char *dir, char path[])
{
    char why[256];
    struct gs_store *store = gs_store_open(dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!store)
        return gs_complain(GS_IO, "%s: %s", dir, why);
    gs_store_sweep(store);
    struct gs_recover_wait wait = {.store = store, .dir = dir};
    int error = gs_incident_of_remains(store, remains, path);
    while (error == -EWOULDBLOCK && gs_recover_wait(&wait))
        error = gs_incident_of_remains(store, remains, path);
    gs_store_close(store);
    if (error == -EWOULDBLOCK)
        return GS_IO; // which was told
    if (error)
        return gs_complain(GS_IO, "%s: the incident could not be written: %s", file, strerrordesc_np(-error));
    return GS_FINE;
}
