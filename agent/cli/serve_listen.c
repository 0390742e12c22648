/* serve_listen.c - where `gumshoe serve` listens: an address, by default of the loopback interface, or a unix socket; and which
 * Host headers name it. */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/serve.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { QUEUE = 64, HOST_MAX = 64 };

static struct sockaddr_in *ipv4(struct sockaddr_storage *address)
{
    return (struct sockaddr_in *)address;
}

static struct sockaddr_in6 *ipv6(struct sockaddr_storage *address)
{
    return (struct sockaddr_in6 *)address;
}

/* ---- addresses --------------------------------------------------------------------------------------------------------- */

/* Split "HOST:PORT" or "[HOST]:PORT"; without a port *PORT is NULL. False: it is too long, or not of this form. */
static bool split(const char *text, char host[HOST_MAX], const char **port)
{
    const char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    size_t skip = *text == '[';
    if (!end || (size_t)(end - text) - skip >= HOST_MAX)
        return false;
    memcpy(host, text + skip, (size_t)(end - text) - skip);
    host[(size_t)(end - text) - skip] = 0;
    end += skip;
    *port = *end == ':' ? end + 1 : NULL;
    return *end == ':' || *end == 0;
}

/* Read the numeric address HOST. False: it is none. */
static bool read_address(const char *host, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, host, &ipv4(out)->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &ipv6(out)->sin6_addr) == 1)
        out->ss_family = AF_INET6;
    return out->ss_family != 0;
}

static bool is_loopback(struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(ipv4(address)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&ipv6(address)->sin6_addr);
}

static bool is_wildcard(struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ipv4(address)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&ipv6(address)->sin6_addr);
}

static bool is_same_host(struct sockaddr_storage *a, struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return ipv4(a)->sin_addr.s_addr == ipv4(b)->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&ipv6(a)->sin6_addr, &ipv6(b)->sin6_addr);
}

static unsigned port_of(struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET ? ipv4(address)->sin_port : ipv6(address)->sin6_port);
}

bool gs_cli_listen_is_host(const struct gs_listen *listen, const char *host)
{
    struct sockaddr_storage named, ours = listen->address;
    char name[HOST_MAX];
    const char *port;
    long long number = 80;
    if (listen->is_unix) // no page reaches it
        return true;
    if (!host || !split(host, name, &port) || (port && !gs_cli_read_number(port, 1, 65535, &number)))
        return false;
    bool is_address = read_address(name, &named);
    if (listen
            ->is_wildcard) // a page's name is never an address; the port may be another one outside a container
        return is_address || strcasecmp(name, "localhost") == 0;
    return number == port_of(&ours) &&
           (is_address ? is_same_host(&named, &ours)
                       : listen->is_loopback && strcasecmp(name, "localhost") == 0);
}

/* ---- sockets ------------------------------------------------------------------------------------------------------------ */

static int refuse_listen(struct gs_listen *out, const char *what, int error)
{
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
    return gs_cli_complain(GS_EXIT_IO, "%s: %s", what, strerrordesc_np(error));
}

static int listen_at(struct gs_listen *out, const char *text)
{
    socklen_t length =
        out->address.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    char host[INET6_ADDRSTRLEN] = "";
    int on = 1;
    out->fd = socket(out->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (out->fd < 0 || setsockopt(out->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(out->fd, (struct sockaddr *)&out->address, length) != 0 || listen(out->fd, QUEUE) != 0 ||
        getsockname(out->fd, (struct sockaddr *)&out->address, &length) != 0)
        return refuse_listen(out, text, errno);
    bool v4 = out->address.ss_family == AF_INET;
    inet_ntop(out->address.ss_family,
              v4 ? (void *)&ipv4(&out->address)->sin_addr : (void *)&ipv6(&out->address)->sin6_addr, host,
              sizeof host);
    snprintf(out->shown, sizeof out->shown, v4 ? "http://%s:%u/" : "http://[%s]:%u/", host,
             port_of(&out->address));
    return GS_EXIT_OK;
}

/* Remove the socket that an ended server left. False: one listens there, or it is something else. */
static bool remove_old_socket(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return true;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool dead = S_ISSOCK(status.st_mode) && fd >= 0 &&
                connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return dead && unlink(address->sun_path) == 0;
}

static int listen_at_path(struct gs_listen *out, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (*path == 0 || strlen(path) >= sizeof address.sun_path)
        return gs_cli_complain(GS_EXIT_USAGE, "unix:%s: a socket's path has 1 to %zu bytes", path,
                               sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    if (!remove_old_socket(&address))
        return refuse_listen(out, path, EADDRINUSE);
    mode_t mask = umask(0177); // 0600 from the first moment
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = out->fd < 0 || bind(out->fd, (struct sockaddr *)&address, sizeof address) != 0 ? errno : 0;
    umask(mask);
    if (error)
        return refuse_listen(out, path, error);
    strcpy(out->path, path);
    if (listen(out->fd, QUEUE) != 0)
        return refuse_listen(out, path, errno);
    out->is_unix = out->is_loopback = true;
    snprintf(out->shown, sizeof out->shown, "unix:%s", path);
    return GS_EXIT_OK;
}

int gs_cli_listen(const char *text, bool allow_remote, struct gs_listen *out)
{
    char host[HOST_MAX];
    const char *port;
    long long number;
    *out = (struct gs_listen){.fd = -1};
    if (strncmp(text, "unix:", 5) == 0)
        return listen_at_path(out, text + 5);
    bool fine = split(text, host, &port) && port && gs_cli_read_number(port, 0, 65535, &number);
    const char *address = !fine || strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : *host ? host : "::";
    if (!fine || !read_address(address, &out->address))
        return gs_cli_complain(
            GS_EXIT_USAGE,
            "--listen %s: give ADDRESS:PORT, such as 127.0.0.1:6060 or [::1]:6060, or unix:PATH", text);
    if (out->address.ss_family == AF_INET)
        ipv4(&out->address)->sin_port = htons((uint16_t)number);
    else
        ipv6(&out->address)->sin6_port = htons((uint16_t)number);
    out->is_loopback = is_loopback(&out->address);
    out->is_wildcard = is_wildcard(&out->address);
    if (!out->is_loopback && !allow_remote)
        return gs_cli_complain(
            GS_EXIT_USAGE,
            "--listen %s: other machines could read every profile and incident; if that is "
            "wanted, add --allow-remote. A reverse proxy can add TLS and passwords",
            text);
    int status = listen_at(out, text);
    if (status == GS_EXIT_OK && !out->is_loopback)
        gs_cli_complain(GS_EXIT_OK,
                        "warning: whoever can reach %s can read every profile and incident: there is no "
                        "password and no encryption",
                        out->shown);
    return status;
}

void gs_cli_listen_close(struct gs_listen *listen)
{
    if (*listen->path)
        unlink(listen->path);
    if (listen->fd >= 0)
        close(listen->fd);
    listen->fd = -1;
}
