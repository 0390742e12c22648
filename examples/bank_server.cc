/* bank_server.cc - a C++ server that deadlocks.
 *
 *   TRANSFER <from> <to> <amount>   ─▶ ok; accounts are 0 to 3
 *
 * The fault: a transfer locks the accounts in the order of the request. One transfer from 0 to 1 and one from 1 to 0 at the same
 * time each hold one lock and wait for the other. From then on every transfer with one of these accounts waits, too.
 * (std::scoped_lock lock(from, to) would take both without this danger.)
 * What gumshoe shows: the deadlock, which threads hold and wait for which mutex, and Bank::transfer as the culprit.
 * The rule: a deadlocked process uses no CPU, and no more memory. So the server measures itself: seconds without a finished
 * transfer.
 * See it: examples/run.sh bank_server */
#include "line_server.hpp"
#include <gumshoe/gumshoe.h>

#include <atomic>
#include <chrono>
#include <mutex>

struct Account {
    std::mutex lock;
    long balance = 1000;
};

class Bank
{
  public:
    [[gnu::noinline]] void transfer(unsigned from, unsigned to, long amount)
    {
        std::lock_guard<std::mutex> debit(accounts_[from].lock);
        usleep(1000);                                           // writes a journal
        std::lock_guard<std::mutex> credit(accounts_[to].lock); // the fault: from, then to
        accounts_[from].balance -= amount;
        accounts_[to].balance += amount;
    }

    std::string answer(const std::string &line)
    {
        unsigned from, to;
        long amount;
        if (sscanf(line.c_str(), "TRANSFER %u %u %ld", &from, &to, &amount) != 3 || from > 3 || to > 3 ||
            from == to)
            return "error";
        in_progress_++;
        transfer(from, to, amount);
        in_progress_--;
        finished_++;
        return "ok";
    }

    /* Each half second: how long transfers have been in progress without one being finished. */
    void measure()
    {
        double stalled_seconds = 0;
        for (long before = 0;; usleep(500000)) {
            bool stalled = in_progress_ > 0 && finished_ == before;
            stalled_seconds = stalled ? stalled_seconds + 0.5 : 0;
            before = finished_;
            gumshoe_gauge("stalled_seconds", stalled_seconds);
        }
    }

  private:
    Account accounts_[4];
    std::atomic<long> in_progress_{0}, finished_{0};
};

int main(int argc, char **argv)
{
    Options options(argc, argv);
    gumshoe_options watch{};
    watch.size = sizeof watch;
    watch.rules_file = options.rules;
    watch.dir = options.dir;
    if (gumshoe_start(&watch) != 0) // the log says why; the server runs unwatched
        fputs("bank_server: not watched\n", stderr);
    alarm(options.seconds); // ends the process

    static Bank bank;
    std::thread([] { bank.measure(); }).detach();
    serve_lines(options.port, [](const std::string &line) { return bank.answer(line); });
}
