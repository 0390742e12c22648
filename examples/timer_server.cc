/* timer_server.cc - a C++ server whose worker spins.
 *
 *   SET <name> <milliseconds>   ─▶ a timer; the worker removes it when it is due
 *   HOLD <name>                 ─▶ the timer is not to be removed
 *
 * The fault: the worker sleeps until the first timer is due. If that timer is held, it is not removed, so the next sleep ends
 * at once: the loop never sleeps again. Everything still works; only the CPU time shows it.
 * What gumshoe shows: a CPU profile of the seconds after the rule fired, with TimerQueue::run as the culprit.
 * See it: examples/run.sh timer_server */
#include "line_server.hpp"
#include <gumshoe/gumshoe.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <sched.h>
#include <set>

class TimerQueue
{
  public:
    void set(const std::string &name, long milliseconds)
    {
        std::lock_guard<std::mutex> guard(lock_);
        timers_.emplace(Clock::now() + std::chrono::milliseconds(milliseconds), name);
        changed_.notify_one();
    }

    void hold(const std::string &name)
    {
        std::lock_guard<std::mutex> guard(lock_);
        held_.insert(name);
    }

    [[gnu::noinline]] void run()
    {
        std::unique_lock<std::mutex> guard(lock_);
        for (;;) {
            if (timers_.empty()) {
                changed_.wait(guard);
                continue;
            }
            auto first = timers_.begin();
            changed_.wait_until(guard, first->first); // returns at once when the time has passed
            if (Clock::now() < first->first || held_.count(first->second))
                continue; // a held timer stays the first one: this is the fault
            timers_.erase(first);
        }
    }

  private:
    using Clock = std::chrono::steady_clock;
    std::mutex lock_;
    std::condition_variable changed_;
    std::multimap<Clock::time_point, std::string> timers_;
    std::set<std::string> held_;
};

static std::string answer(TimerQueue &timers, const std::string &line)
{
    char name[64];
    long milliseconds;
    if (sscanf(line.c_str(), "SET %63s %ld", name, &milliseconds) == 2)
        timers.set(name, milliseconds);
    else if (sscanf(line.c_str(), "HOLD %63s", name) == 1)
        timers.hold(name);
    else
        return "error";
    return "ok";
}

/* Run on one CPU, as in a small container: a thread that spins is then 100 % of `cpu`, on any machine. */
static void use_one_cpu()
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(unsigned(sched_getcpu()), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
}

int main(int argc, char **argv)
{
    Options options(argc, argv);
    use_one_cpu();
    gumshoe_options watch{};
    watch.size = sizeof watch;
    watch.rules_file = options.rules;
    watch.dir = options.dir;
    if (gumshoe_start(&watch) != 0) // the log says why; the server runs unwatched
        fputs("timer_server: not watched\n", stderr);
    alarm(options.seconds); // ends the process

    static TimerQueue timers;
    std::thread([] { timers.run(); }).detach();
    serve_lines(options.port, [](const std::string &line) { return answer(timers, line); });
}
