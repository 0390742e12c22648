/* client.c - a load generator for leaky_server: many sessions that request a few pages.
 *
 *   client PORT [REQUESTS [PER_SECOND]]       one connection on loopback, at most 60 seconds
 *
 * Each request has a new session, as from visitors who do not come back. This makes leaky_server's cache grow; the client
 * itself has no fault. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("client: connect");
        exit(1);
    }
    return fd;
}

/* Read a page: a line with its length, then that many bytes. Returns the length, or -1 at the connection's end. */
static long read_page(FILE *in)
{
    char line[64];
    if (!fgets(line, sizeof line, in))
        return -1;
    long length = atol(line);
    for (long i = 0; i < length; i++)
        if (fgetc(in) == EOF)
            return -1;
    return length;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fputs("usage: client PORT [REQUESTS [PER_SECOND]]\n", stderr);
        return 2;
    }
    long requests = argc > 2 ? atol(argv[2]) : 1000, per_second = argc > 3 ? atol(argv[3]) : 1000, bytes = 0;
    int fd = connect_to(atoi(argv[1]));
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    alarm(60); // ends the process
    for (long i = 0; i < requests; i++) {
        struct timespec pause = {.tv_nsec = per_second > 1 ? 1000000000 / per_second : 999999999};
        fprintf(out, "GET page-%ld session-%ld\n", i % 10, i);
        fflush(out);
        long got = read_page(in);
        if (got < 0) {
            fputs("client: the server closed the connection\n", stderr);
            return 1;
        }
        bytes += got;
        nanosleep(&pause, NULL);
    }
    printf("%ld requests, %ld bytes of pages\n", requests, bytes);
    return 0;
}
