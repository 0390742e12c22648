/* large_unit.cc - a unit with 1.7 MB of debug information. bench.py links hundreds of copies into one program (large.c), each with its
 * own name for unit_keep. */
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>
extern "C" __attribute__((noinline)) void *unit_keep(unsigned long size)
{
    std::map<std::string, std::vector<std::regex>> rules;
    rules["a"].emplace_back("(a|b)*c+[0-9]{2,4}");
    std::unordered_map<int, std::deque<std::string>> seen;
    seen[1].push_back(rules.begin()->first);
    std::mt19937_64 random(1);
    std::vector<double> values(16);
    for (double &value : values) value = std::normal_distribution<double>()(random);
    std::sort(values.begin(), values.end(), std::greater<double>());
    std::function<bool(const std::string &)> match = [&](const std::string &text) { return std::regex_match(text, rules["a"][0]); };
    return match("abc12") ? std::malloc(size) : std::calloc(1, size);
}
