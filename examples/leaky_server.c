/* leaky_server.c - a small page server with a cache that never evicts.
 *
 *   GET <page> <session>\n  ─▶ render the page (slow) unless it is cached ─▶ the page
 *   STATS\n                 ─▶ how many entries the cache holds
 *   QUIT\n                  ─▶ closes the connection
 *
 * The fault: the cache's key contains the session as well as the page. So the first request of a session for a page makes a
 * new entry, and no entry is ever evicted. Under load the process grows without bound.
 * What gumshoe shows: the rule in leaky_server.json fires when heap_in_use crosses its line. The incident's summary names
 * cache_insert, with its whole stack, as what grew. The gauge cache_entries is in the incident's history.
 *
 * The server listens on loopback only and ends after --seconds. One thread per connection. */
#include <gumshoe/gumshoe.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUCKETS = 1 << 16, PAGE_BYTES = 16 << 10, KEY_MAX = 128 };

struct entry {
    struct entry *next;
    char *page;
    char key[];
};

static struct entry *cache[BUCKETS];
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic long cache_entries, connections;

/* ---- the cache ------------------------------------------------------------------------------------------------ */

static unsigned bucket_of(const char *key)
{
    unsigned hash = 5381;
    while (*key)
        hash = hash * 33 + (unsigned char)*key++;
    return hash % BUCKETS;
}

static struct entry *cache_find(const char *key)
{
    struct entry *entry = cache[bucket_of(key)];
    while (entry && strcmp(entry->key, key) != 0)
        entry = entry->next;
    return entry;
}

/* Store PAGE under KEY and never free it: this is the leak. */
__attribute__((noinline)) static struct entry *cache_insert(const char *key, const char *page, size_t length)
{
    struct entry *entry = malloc(sizeof *entry + strlen(key) + 1);
    char *copy = malloc(length + 1);
    if (!entry || !copy) {
        free(entry);
        free(copy);
        return NULL;
    }
    memcpy(copy, page, length + 1);
    entry->page = copy;
    strcpy(entry->key, key);
    entry->next = cache[bucket_of(key)];
    cache[bucket_of(key)] = entry;
    gumshoe_gauge("cache_entries", (double)++cache_entries);
    return entry;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

/* The slow part: make a page of some kilobytes from its name. */
static void render_page(const char *page, char *out)
{
    size_t used = (size_t)snprintf(out, PAGE_BYTES, "<h1>%s</h1>\n", page);
    while (used < PAGE_BYTES - 64)
        used += (size_t)snprintf(out + used, PAGE_BYTES - used, "<p>%s, line at %zu</p>\n", page, used);
}

static void handle_get(FILE *out, const char *page, const char *session)
{
    char key[KEY_MAX], rendered[PAGE_BYTES];
    snprintf(key, sizeof key, "%s?session=%s", page,
             session); // the fault: the page does not depend on the session
    pthread_mutex_lock(&cache_lock);
    struct entry *entry = cache_find(key);
    if (!entry) {
        render_page(page, rendered);
        entry = cache_insert(key, rendered, strlen(rendered));
    }
    fprintf(out, "%zu\n%s", entry ? strlen(entry->page) : 0, entry ? entry->page : "");
    pthread_mutex_unlock(&cache_lock);
}

static void serve_requests(FILE *in, FILE *out)
{
    char line[256], page[64], session[64];
    while (fgets(line, sizeof line, in)) {
        if (sscanf(line, "GET %63s %63s", page, session) == 2)
            handle_get(out, page, session);
        else if (strcmp(line, "STATS\n") == 0)
            fprintf(out, "entries %ld\n", cache_entries);
        else
            break;
        fflush(out);
    }
}

static void *serve_connection(void *argument)
{
    int fd = (int)(long)argument, yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // answers are written in parts
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    gumshoe_gauge("connections", (double)++connections);
    if (in && out)
        serve_requests(in, out);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    gumshoe_gauge("connections", (double)--connections);
    return NULL;
}

/* ---- the server --------------------------------------------------------------------------------------------------- */

static int listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0) {
        perror("leaky_server: listen");
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void serve(int listener)
{
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(long)fd) != 0)
            close(fd);
        else
            pthread_detach(thread);
    }
}

static void usage(void)
{
    fputs("usage: leaky_server [--port N] [--seconds N] [--rules FILE] [--dir DIR]\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"rules", required_argument, NULL, 'r'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {NULL, 0, NULL, 0}};
    struct gumshoe_error error;
    struct gumshoe_options watch = {.size = sizeof watch, .error = &error};
    int port = 0;
    unsigned seconds = 60;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 's': seconds = (unsigned)atoi(optarg); break;
        case 'r': watch.rules_file = optarg; break;
        case 'd': watch.dir = optarg; break;
        default: usage();
        }
    if (gumshoe_start(&watch) != 0) // the server runs even if it cannot be watched
        fprintf(stderr, "leaky_server: not watched: %s:%d:%d: %s\n", error.file, error.line, error.column,
                error.message);
    alarm(seconds); // ends the process
    serve(listen_on(port));
}
