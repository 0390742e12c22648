/* recover_write.c - the last step of `gumshoe recover`: writes the incident of a dead process into a store, from a black box
 * (recover_box.c) or a core file (recover_core.c). It waits while another process makes such incidents in the same store. */
#include "box/box.h"
#include "cli/options.h"
#include "incident/incident.h"
#include "store/store.h"
#include <errno.h>
#include <string.h>

int gs_cli_write_post_mortem(const char *file, const struct gs_post_mortem *post_mortem, const char *dir,
                             const struct gs_option_list *plumbing, char path[])
{
    struct gs_post_mortem copy = *post_mortem;
    copy.plumbing = plumbing->item;
    copy.plumbing_count = plumbing->count;
    char why[256];
    struct gs_store *store = gs_store_open(dir, &(struct gs_store_limits){0}, why, sizeof why);
    if (!store)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", dir, why);
    gs_store_sweep(store);
    struct gs_cli_recover_wait wait = {.store = store, .dir = dir};
    int error = gs_incident_from_post_mortem(store, &copy, path);
    while (error == -EWOULDBLOCK && gs_cli_recover_wait(&wait))
        error = gs_incident_from_post_mortem(store, &copy, path);
    gs_store_close(store);
    if (error == -EWOULDBLOCK)
        return GS_EXIT_IO; // gs_cli_recover_wait has printed why
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: the incident could not be written: %s", file,
                               strerrordesc_np(-error));
    return GS_EXIT_OK;
}
