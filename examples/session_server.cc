/* session_server.cc - a C++ server that leaks through a container.
 *
 *   LOGIN <user>    ─▶ a token: the session's key in an unordered_map
 *   LOGOUT <token>  ─▶ removes the session
 *
 * The fault: only LOGOUT removes a session. Visitors who close the connection without it leave theirs in the map for ever. No
 * pointer is lost, so a leak checker finds nothing.
 * What gumshoe shows: SessionStore::login as the culprit. The frames of std::unordered_map and std::vector are passed over.
 * See it: examples/run.sh session_server */
#include "line_server.hpp"
#include <gumshoe/gumshoe.h>

#include <mutex>
#include <unordered_map>
#include <vector>

struct Session {
    std::string user;
    std::vector<char> page_history;
};

class SessionStore
{
  public:
    [[gnu::noinline]] std::string login(const std::string &user)
    {
        std::lock_guard<std::mutex> guard(lock_);
        std::string token = "session-" + std::to_string(++last_);
        Session &session = sessions_[token]; // never removed without a LOGOUT: this is the leak
        session.user = user;
        session.page_history.resize(4096);
        gumshoe_gauge("sessions", double(sessions_.size()));
        return token;
    }

    void logout(const std::string &token)
    {
        std::lock_guard<std::mutex> guard(lock_);
        sessions_.erase(token);
        gumshoe_gauge("sessions", double(sessions_.size()));
    }

  private:
    std::mutex lock_;
    std::unordered_map<std::string, Session> sessions_;
    unsigned long last_ = 0;
};

int main(int argc, char **argv)
{
    Options options(argc, argv);
    gumshoe_options watch{};
    watch.size = sizeof watch;
    watch.rules_file = options.rules;
    watch.dir = options.dir;
    if (gumshoe_start(&watch) != 0) // the log says why; the server runs unwatched
        fputs("session_server: not watched\n", stderr);
    alarm(options.seconds); // ends the process

    SessionStore store;
    serve_lines(options.port, [&store](const std::string &line) -> std::string {
        if (line.rfind("LOGIN ", 0) == 0)
            return store.login(line.substr(6));
        if (line.rfind("LOGOUT ", 0) == 0)
            store.logout(line.substr(7));
        return "ok";
    });
}
