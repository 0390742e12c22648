/* descriptors.c - writes fds.txt and its part of summary.txt: what the file descriptors are, for an incident about their
 * number.
 *
 *   /proc/self/fd/N ──▶ link ──▶ kind and target ──▶ grouped by equal text, the largest group first
 *
 * Sockets are described by their two ends: the lower port is taken for the service's. Counts and names, never contents.
 * Who: the watcher. Bounds: GROUPS groups; descriptors of further groups are counted together; SHOWN groups are written, and
 * SUMMARISED of them to the summary. */
#include "base/memory.h"
#include "base/sort.h"
#include "incident/inside.h"
#include "metrics/metrics.h"
#include "sys/file.h"
#include "sys/process.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { GROUPS = 4096, SHOWN = 200, SUMMARISED = 5, TARGET = 200 };

struct target_group {
    char what[TARGET]; // "file /var/log/x", "socket tcp to 10.0.0.1:5432"
    size_t count;
    int example;
};

struct descriptor_census {
    struct target_group *group;
    size_t count, descriptors, ungrouped; // ungrouped: descriptors for which no group was left
    int directory, process;               // descriptors of /proc/self/fd and of a pidfd
};

/* ---- one descriptor ------------------------------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static unsigned port_of(const union address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

static void print_host(const union address *address, char *out, size_t size)
{
    if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &address->v6.sin6_addr, out, (socklen_t)size);
    else
        inet_ntop(AF_INET, &address->v4.sin_addr, out, (socklen_t)size);
}

static void describe_internet(int fd, int type, const union address *own, char *out, size_t size)
{
    const char *kind = type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "raw";
    char host[INET6_ADDRSTRLEN] = "?";
    union address peer = {0};
    socklen_t length = sizeof peer;
    int listens = 0;
    socklen_t flag = sizeof listens;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &flag);
    if (getpeername(fd, &peer.any, &length) != 0) {
        print_host(own, host, sizeof host);
        snprintf(out, size, "socket %s %s %s:%u", kind, listens ? "listening at" : "at", host, port_of(own));
        return;
    }
    bool we_serve = port_of(own) < port_of(&peer);
    print_host(&peer, host, sizeof host);
    if (we_serve)
        snprintf(out, size, "socket %s of port %u, from %s", kind, port_of(own), host);
    else
        snprintf(out, size, "socket %s to %s:%u", kind, host, port_of(&peer));
}

static void describe_socket(int fd, char *out, size_t size)
{
    union address own = {0};
    socklen_t length = sizeof own, flag = sizeof(int);
    int type = 0;
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &flag);
    if (getsockname(fd, &own.any, &length) != 0)
        snprintf(out, size, "socket");
    else if (own.any.sa_family == AF_INET || own.any.sa_family == AF_INET6)
        describe_internet(fd, type, &own, out, size);
    else if (own.any.sa_family == AF_UNIX)
        snprintf(out, size, "socket unix %.*s", (int)sizeof own.local.sun_path,
                 length > sizeof(sa_family_t) && own.local.sun_path[0] ? own.local.sun_path : "(no name)");
    else
        snprintf(out, size, "socket of family %d", own.any.sa_family);
}

/* Describe the socket with number NUMBER in the host's descriptor table, which this thread does not share. */
static void describe_socket_of(int process, int number, char *out, size_t size)
{
    int fd = process < 0 ? process : gs_process_copy_descriptor(process, number);
    if (fd < 0) {
        snprintf(out, size, "socket");
        return;
    }
    describe_socket(fd, out, size);
    close(fd);
}

/* Describe entry NAME, a link to "pipe:[123]", "anon_inode:[eventpoll]" or "/path". Numbers of pipes are left out, so that
 * all pipes form one group. */
static void describe(const struct descriptor_census *census, const char *name, const char *link, char *out,
                     size_t size)
{
    struct stat status;
    if (strncmp(link, "socket:", 7) == 0)
        describe_socket_of(census->process, atoi(name), out, size);
    else if (strncmp(link, "pipe:", 5) == 0)
        snprintf(out, size, "pipe");
    else if (strncmp(link, "anon_inode:", 11) == 0)
        snprintf(out, size, "%s", link + 11);
    else
        snprintf(out, size, "%s %s",
                 fstatat(census->directory, name, &status, 0) == 0 && S_ISREG(status.st_mode) ? "file"
                                                                                              : "path",
                 link);
}

/* ---- all descriptors ------------------------------------------------------------------------------------------------ */

static void count(struct descriptor_census *census, const char *what, int fd)
{
    size_t at = 0;
    while (at < census->count && strcmp(census->group[at].what, what) != 0)
        at++;
    if (at == GROUPS) {
        census->ungrouped++;
        return;
    }
    if (at == census->count) {
        snprintf(census->group[at].what, TARGET, "%s", what);
        census->group[census->count++].example = fd;
    }
    census->group[at].count++;
}

static void count_all(struct descriptor_census *census)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, census->directory);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        char link[TARGET - 8], what[TARGET];
        ssize_t length = readlinkat(census->directory, name, link, sizeof link - 1);
        if (length < 0)
            continue;
        link[length] = 0;
        describe(census, name, link, what, sizeof what);
        count(census, what, atoi(name));
        census->descriptors++;
    }
}

static int by_count(const void *a, const void *b)
{
    const struct target_group *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->what, y->what);
}

static void write_groups(const struct descriptor_census *census, struct gs_text *out)
{
    gs_text_add(out, "descriptors: %zu\n\n", census->descriptors);
    for (size_t i = 0; i < census->count && i < SHOWN; i++) {
        gs_text_add(out, "%8zu  ", census->group[i].count);
        gs_text_add_printable(out, census->group[i].what);
        gs_text_add(out, "  (descriptor %d%s)\n", census->group[i].example,
                    census->group[i].count > 1 ? " and others" : "");
    }
    if (census->count > SHOWN || census->ungrouped)
        gs_text_add(out, "         and more, of %zu other kinds%s\n",
                    census->count > SHOWN ? census->count - SHOWN : 0, census->ungrouped ? " or more" : "");
}

/* "512 sockets, 300 files, 12 others": by the first word of each group. */
static void summarise_kinds(const struct descriptor_census *census, struct gs_text *out)
{
    static const struct {
        const char *word, *one, *many;
    } kinds[] = {{"socket", "socket", "sockets"}, {"file ", "file", "files"}, {"pipe", "pipe", "pipes"}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    size_t others = census->descriptors;
    const char *separator = ": ";
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t count = 0;
        for (size_t i = 0; i < census->count; i++)
            if (strncmp(census->group[i].what, kinds[kind].word, strlen(kinds[kind].word)) == 0)
                count += census->group[i].count;
        if (count)
            gs_text_add(out, "%s%zu %s", separator, count, count == 1 ? kinds[kind].one : kinds[kind].many);
        separator = count ? ", " : separator;
        others -= count;
    }
    if (others)
        gs_text_add(out, "%s%zu %s", separator, others, others == 1 ? "other" : "others");
}

static void summarise(const struct descriptor_census *census, struct gs_text *out)
{
    gs_text_add(out, "\nOpen descriptors, %zu in all", census->descriptors);
    summarise_kinds(census, out);
    gs_text_add(out, "\n");
    for (size_t i = 0; i < census->count && i < SUMMARISED; i++) {
        gs_text_add(out, "  %8zu ", census->group[i].count);
        gs_incident_add_share(out, (int64_t)census->group[i].count, (int64_t)census->descriptors);
        gs_text_add(out, "  ");
        gs_text_add_printable(out, census->group[i].what);
        gs_text_add(out, "\n");
    }
}

void gs_incident_write_descriptors(struct gs_text *out, struct gs_text *summary)
{
    struct descriptor_census census = {.group = gs_alloc(GROUPS * sizeof *census.group),
                                       .directory = gs_metrics_open_descriptors(),
                                       .process = gs_process_handle()};
    out->failed |= !census.group;
    if (census.group && census.directory >= 0) {
        count_all(&census);
        gs_sort(census.group, census.count, sizeof *census.group, by_count);
        write_groups(&census, out);
        summarise(&census, summary);
    } else if (census.directory < 0) {
        gs_text_add(out, "the descriptors could not be read: %s\n", strerrordesc_np(-census.directory));
    }
    if (census.directory >= 0)
        close(census.directory);
    if (census.process >= 0)
        close(census.process);
    gs_free(census.group);
}
