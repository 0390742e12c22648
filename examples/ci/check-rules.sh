#!/bin/sh
# check-rules.sh - what a build runs before it ships rules.json: the rules are valid, silent on an ordinary day, and fire on an
# incident of the past. Status 0 if all of this is so. GUMSHOE: the command, if it is not in PATH.
set -eu
cd "$(dirname "$0")"
gumshoe=${GUMSHOE:-gumshoe}

$gumshoe check rules.json
# An ordinary hour, as the monitoring system recorded it: with a nightly job, which needs 85 % of the memory for two minutes.
$gumshoe replay --rules rules.json --limit 512MiB --expect-none healthy.csv > /dev/null
# The hour in which the database hung: requests queued, then memory ran out.
$gumshoe replay --rules rules.json --limit 512MiB --expect queue-grows=1 --expect rss-high=1 stuck.csv > /dev/null
echo "rules.json is as expected"
