/* line_server.hpp - what the C++ examples share: options, and a server on loopback that answers lines.
 *
 *   --port N (0: any free one)   --seconds N (then the process ends)   --rules FILE   --dir DIR
 *
 * One thread per connection: each line is given to ANSWER, whose result is sent back with a newline. This part has no fault. */
#pragma once
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <getopt.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

struct Options {
    int port = 0;
    unsigned seconds = 60;
    const char *rules = nullptr, *dir = nullptr;

    Options(int argc, char **argv)
    {
        static const option known[] = {{"port", required_argument, nullptr, 'p'},
                                       {"seconds", required_argument, nullptr, 's'},
                                       {"rules", required_argument, nullptr, 'r'},
                                       {"dir", required_argument, nullptr, 'd'},
                                       {nullptr, 0, nullptr, 0}};
        for (int next; (next = getopt_long(argc, argv, "", known, nullptr)) != -1;)
            switch (next) {
            case 'p': port = atoi(optarg); break;
            case 's': seconds = unsigned(atoi(optarg)); break;
            case 'r': rules = optarg; break;
            case 'd': dir = optarg; break;
            default:
                fprintf(stderr, "usage: %s [--port N] [--seconds N] [--rules FILE] [--dir DIR]\n", argv[0]);
                exit(2);
            }
    }
};

using Answer = std::function<std::string(const std::string &line)>;

inline void serve_connection(int fd, const Answer &answer)
{
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[256];
    while (in && out && fgets(line, sizeof line, in)) {
        std::string text(line);
        text.erase(text.find_last_not_of("\r\n") + 1);
        fprintf(out, "%s\n", answer(text).c_str());
        fflush(out);
    }
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

[[noreturn]] inline void serve_lines(int port, const Answer &answer)
{
    sockaddr_in address{};
    socklen_t length = sizeof address;
    address.sin_family = AF_INET;
    address.sin_port = htons(uint16_t(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto *generic = reinterpret_cast<sockaddr *>(&address);
    if (listener < 0 || bind(listener, generic, sizeof address) != 0 || listen(listener, 64) != 0) {
        perror("listen");
        exit(1);
    }
    getsockname(listener, generic, &length);
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0)
            std::thread(serve_connection, fd, std::cref(answer)).detach();
    }
}
