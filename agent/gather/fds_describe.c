/* fds_describe.c - one descriptor in words: "file /var/log/x", "socket tcp to 10.0.0.1:5432".
 *
 * Sockets are described by their two ends: the lower port is taken for the service's. Never contents.
 * Who: a thread of the agent, which does not share the host's table of descriptors. */
#include "gather/inside.h"
#include "sys/process.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Numbers of pipes are left out, so that all pipes form one group. */
void gs_gather_describe_fd(const struct gs_fds *fds, const char *name, const char *link, char *out,
                           size_t size)
{
    struct stat status;
    if (strncmp(link, "socket:", 7) == 0)
        describe_socket_of(fds->process, atoi(name), out, size);
    else if (strncmp(link, "pipe:", 5) == 0)
        snprintf(out, size, "pipe");
    else if (strncmp(link, "anon_inode:", 11) == 0)
        snprintf(out, size, "%s", link + 11);
    else
        snprintf(out, size, "%s %s",
                 fstatat(fds->directory, name, &status, 0) == 0 && S_ISREG(status.st_mode) ? "file" : "path",
                 link);
}
