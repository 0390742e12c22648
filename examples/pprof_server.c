/* pprof_server.c - an HTTP server that serves its own profiles, as Go's net/http/pprof does.
 *
 *   GET /thumbnail/<name>       ─▶ makes a picture
 *   GET /debug/pprof/heap       ─▶ gumshoe_write_profile(GUMSHOE_HEAP, socket)
 *   GET /debug/pprof/threads       the stacks of all threads
 *   GET /debug/pprof/profile       CPU time, for as long as the rules say ("cpu": "duration")
 *
 *   go tool pprof -top http://127.0.0.1:PORT/debug/pprof/heap
 *
 * These pages show the layout of the process's memory and the names of its functions: serve them on loopback, or to your own
 * staff.
 * The fault: remember_thumbnail keeps every picture for "recent pictures", and nothing trims that list.
 * See it: examples/run.sh pprof_server */
#include <gumshoe/gumshoe.h>

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THUMBNAIL_BYTES = 8 << 10 };

/* ---- pictures ------------------------------------------------------------------------------------------------------ */

struct thumbnail {
    struct thumbnail *older;
    char pixels[THUMBNAIL_BYTES];
};

static struct thumbnail *recent;
static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;

/* Keep a picture for the page "recent pictures". Older ones are never freed: this is the leak. */
__attribute__((noinline)) static void remember_thumbnail(const char *pixels)
{
    struct thumbnail *thumbnail = malloc(sizeof *thumbnail);
    if (!thumbnail)
        return;
    memcpy(thumbnail->pixels, pixels, THUMBNAIL_BYTES);
    pthread_mutex_lock(&recent_lock);
    thumbnail->older = recent;
    recent = thumbnail;
    pthread_mutex_unlock(&recent_lock);
}

static void serve_thumbnail(FILE *out, const char *name)
{
    char pixels[THUMBNAIL_BYTES];
    memset(pixels, name[0], sizeof pixels);
    remember_thumbnail(pixels);
    fprintf(out, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nmade %s\n", name);
}

/* ---- profiles ------------------------------------------------------------------------------------------------------ */

/* The profile is written to the socket itself; the end of the connection is the end of the profile. */
static void serve_profile(FILE *out, enum gumshoe_kind kind)
{
    fputs("HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n", out);
    fflush(out);
    if (gumshoe_write_profile(kind, fileno(out)) != 0)
        fputs("pprof_server: a profile could not be written\n", stderr);
}

static void answer(FILE *out, const char *path)
{
    if (strncmp(path, "/thumbnail/", 11) == 0)
        serve_thumbnail(out, path + 11);
    else if (strcmp(path, "/debug/pprof/heap") == 0)
        serve_profile(out, GUMSHOE_HEAP);
    else if (strcmp(path, "/debug/pprof/threads") == 0)
        serve_profile(out, GUMSHOE_THREADS);
    else if (strcmp(path, "/debug/pprof/profile") == 0)
        serve_profile(out, GUMSHOE_CPU);
    else
        fputs("HTTP/1.0 404 Not Found\r\n\r\n", out);
}

/* ---- the server ---------------------------------------------------------------------------------------------------- */

static void *serve_connection(void *argument)
{
    int fd = (int)(long)argument;
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[512], path[256] = "";
    if (in && out && fgets(line, sizeof line, in))
        sscanf(line, "GET %255[^? \r\n]", path);
    while (path[0] && fgets(line, sizeof line, in) && strcmp(line, "\r\n") != 0 && strcmp(line, "\n") != 0)
        continue; // the other lines of the request
    if (path[0])
        answer(out, path);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return NULL;
}

static void serve(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0) {
        perror("pprof_server: listen");
        exit(1);
    }
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && pthread_create(&thread, NULL, serve_connection, (void *)(long)fd) == 0)
            pthread_detach(thread);
        else if (fd >= 0)
            close(fd);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"rules", required_argument, NULL, 'r'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {NULL, 0, NULL, 0}};
    struct gumshoe_options watch = {.size = sizeof watch};
    int port = 0;
    unsigned seconds = 60;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 's': seconds = (unsigned)atoi(optarg); break;
        case 'r': watch.rules_file = optarg; break;
        case 'd': watch.dir = optarg; break;
        default:
            fputs("usage: pprof_server [--port N] [--seconds N] [--rules FILE] [--dir DIR]\n", stderr);
            return 2;
        }
    signal(SIGPIPE, SIG_IGN);       // a client may go away in the middle of a profile
    if (gumshoe_start(&watch) != 0) // profiles are served without the watcher, too
        fputs("pprof_server: not watched\n", stderr);
    alarm(seconds); // ends the process
    serve(port);
}
