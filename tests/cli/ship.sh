#!/bin/bash
# gumshoe ship to object storage: an S3 server that checks signatures by AWS's documentation (ship/sigv4.py), with faults of all kinds,
# killed and restarted; ship killed as well. In the end each incident is there once, as it is on disk.
. "$(dirname "$0")/ship/lib.sh"
rm -rf srv; serve srv
for i in 1 2 3 4 5 6; do make_incident d $i; done

it "sends incidents, signed, and says where they are"
ship --to "s3://bucket/team a/x=1+2~(é)" d || fail "$(cat err)"
equal "$(grep -c '^sent 20261127T03050[1-6].000Z-leak-7 to s3://bucket/team a/x=1+2~(é)/dt=2026-11-27/.*/incident.json$' out)" 6 "lines"
[ -d "srv/store/bucket/team a/x=1+2~(é)/dt=2026-11-27" ] || fail "$(find srv/store)"
arrived srv d
equal "$(requests srv '.status == 200')" 12 "requests"
it "sends nothing twice, by its journal"
ship --to "s3://bucket/team a/x=1+2~(é)" d || fail "$(cat err)"
grep -q 'nothing to send' err || fail "$(cat err)"
equal "$(requests srv '.status == 200')" 12 "requests"
it "sends again what has changed since, to the same place"
sed -i 's/cache_put/cache_put_all/' d/20261127T030503.000Z-leak-7/incident.json
ship --to "s3://bucket/team a/x=1+2~(é)" d || fail "$(cat err)"
equal "$(wc -l < out)" 1; arrived srv d
it "sends to the same place without its journal"
rm d/.shipped; ship --to "s3://bucket/team a/x=1+2~(é)" d || fail "$(cat err)"
arrived srv d
it "ignores lines of the journal that were cut or changed, and goes on behind them"
head -c -5 d/.shipped > cut && cp cut d/.shipped && sed -i '2s/leak/peak/' d/.shipped
ship --to "s3://bucket/team a/x=1+2~(é)" d || fail "$(cat err)"
equal "$(wc -l < out)" 2 "sent again"
ship --to "s3://bucket/team a/x=1+2~(é)" d; equal "$(wc -l < out)" 0 "sent again"
it "takes single incidents, and GUMSHOE_DIR"
ship --to s3://bucket/single d/20261127T030501.000Z-leak-7/ || fail "$(cat err)"
(cd d && ship --to s3://bucket/single 20261127T030502.000Z-leak-7) || fail "no relative name"
GUMSHOE_DIR=d ship --to s3://bucket/single || fail "$(cat err)"
equal "$(wc -l < out)" 4 "the others"
equal "$(find srv/store/bucket/single -name incident.json | wc -l)" 6 "incidents"

it "signs with a session token, and for a bucket with a dot"
rm -rf srv/store
AWS_ACCESS_KEY_ID=ASIATEMPORARY AWS_SECRET_ACCESS_KEY=temporary/secret+key AWS_SESSION_TOKEN=$(python3 -c 'print("session/Token+with==" * 20)') \
    ship --to s3://bucket/token d || fail "$(cat err)"
arrived srv d
it "signs headers that a file adds"
printf 'x-amz-server-side-encryption: AES256\r\nX-Amz-Storage-Class:   STANDARD_IA  \n' > extra
ship --to s3://bucket/headers --headers extra d/20261127T030501.000Z-leak-7 || fail "$(cat err)"
it "is refused with a wrong key, and says what S3 says"
! AWS_SECRET_ACCESS_KEY=hunter2 ship --to s3://bucket/wrong d || fail "sent"
grep -q '403 SignatureDoesNotMatch: $AWS_SECRET_ACCESS_KEY or $AWS_REGION' err || fail "$(cat err)"
! AWS_REGION=us-west-2 ship --to s3://bucket/wrong d || fail "sent"
! ship --to s3://other/wrong d || fail "sent"
grep -q '404 NoSuchBucket' err || fail "$(cat err)"
equal "$(status_of "$gumshoe" ship --to s3://other/wrong d)" 3

it "gets each incident there once, through errors, resets, lost answers, a full and a busy server"
rm -rf srv/store srv/log
printf '%s\n' '500 1' 'ok 2' 'reset 1' 'ok 2' 'half 1' 'ok 2' 'ok 1' 'lost 1' 'ok 2' '507 1' 'ok 2' '503 1' > srv/faults
ship --to s3://bucket/faults d || fail "$(cat err)"
for what in 500 reset half 507 503; do equal "$(requests srv ".fault == \"$what\"")" 1 "requests with $what"; done
equal "$(requests srv .lost)" 1 "lost answers"
equal "$(grep -c 'trying again$' err)" 6 "tries that are told"
arrived srv d
it "gives up after its retries, and goes on where it was"
rm -rf srv/store; echo '500 2' > srv/faults
equal "$(status_of "$gumshoe" ship --retries 1 --to s3://bucket/later d)" 3
ship --to s3://bucket/later d || fail "$(cat err)"; arrived srv d
it "ends a request that gets no answer"
rm -rf srv/store srv/log; echo 'silent 1' > srv/faults
ship --timeout 1 --to s3://bucket/silent d || fail "$(cat err)"; arrived srv d
equal "$(requests srv '.fault == "silent"')" 1
it "ends an answer that never ends"
rm -rf srv/store; echo 'flood 1' > srv/faults
ship --to s3://bucket/flood d || fail "$(cat err)"; arrived srv d
it "passes over what a server does not take, sends the rest, and fails"
rm -rf srv/store; echo '413 1' > srv/faults
equal "$(status_of ship --to s3://bucket/large d)" 3
grep -q '413: too large for it: not sent' err || fail "$(cat err)"
equal "$(find srv/store -name incident.json | wc -l)" 5 "incidents"

it "survives a server that is killed while it sends"
rm -rf srv/store srv/log; make_incident d 7 300000; echo 'ok 12
slow 1' > srv/faults
"$gumshoe" ship --retries 20 --to s3://bucket/killed d > out 2> err & ship=$!; started="$started $ship"
wait_until has_request srv '.waits'
end_server; serve srv "$port"
wait "$ship" || fail "$(cat err)"
cat err >> said; arrived srv d
it "may be killed itself while it sends: the next run sends the rest"
rm -rf srv/store srv/log; printf '%s\n' 'ok 12' 'slow 1' > srv/faults
"$gumshoe" ship --to s3://bucket/killed2 d > out 2> err & ship=$!; started="$started $ship"
wait_until has_request srv '.waits'
kill -9 "$ship"; wait "$ship" 2> /dev/null || true
equal "$(find srv/store -name incident.json | wc -l)" 6 "incidents before"
touch srv/go; ship --to s3://bucket/killed2 d || fail "$(cat err)"
equal "$(wc -l < out)" 1 "sent by the next run"; rm srv/go; arrived srv d
it "leaves nothing behind: a journal, a lock"
equal "$(ls -A d | grep '^\.' | tr '\n' ' ')" ".shipped .shipping "

it "follows: sends what comes, through an outage, with bounded memory, until it is ended"
rm -rf srv/store f err; mkdir f; end_server
"$gumshoe" ship --follow --to s3://bucket/follow f > out 2> err & ship=$!; started="$started $ship"
for i in $(seq 1 40); do make_incident f $i 100000; done
wait_until grep -q 'trying again' err
[ "$(awk '/VmHWM/ { print $2 }' /proc/$ship/status)" -lt 65536 ] || fail "$(grep VmHWM /proc/$ship/status)"
equal "$(find f -type f -name '.*' ! -name .shipping | wc -l)" 0 "files on the side"
serve srv "$port"
wait_until sh -c '[ $(find srv/store -name incident.json | wc -l) = 40 ]'
wait_until sh -c '[ $(wc -l < f/.shipped) = 40 ]'
make_incident f 41; wait_until grep -q 030541 f/.shipped
sed -i 's/cache_put/cache_put_all/' f/20261127T030541.000Z-leak-7/incident.json
wait_until grep -rq cache_put_all srv/store
wait_until sh -c '[ $(grep -c 030541 f/.shipped) = 2 ]'
kill "$ship"; wait "$ship" 2> /dev/null || true; cat out err >> said; arrived srv f

it "sends to a server that takes PUT, with a header of the environment"
rm -rf srv/store; end_server; WANTED_AUTHORIZATION="Bearer hunter2" serve srv "$port"
! ship --to "http://127.0.0.1:$port/put/a" d || fail "sent without the header"
GUMSHOE_SHIP_HEADERS="Authorization: Bearer hunter2" ship --to "http://127.0.0.1:$port/put/a/" d || fail "$(cat err)"
arrived srv d
it "follows no redirect: the header would go elsewhere"
echo 'moved 1' > srv/faults
! GUMSHOE_SHIP_HEADERS="Authorization: Bearer hunter2" ship --to "http://127.0.0.1:$port/put/b" d || fail "sent"
grep -q '307: redirects are not followed' err || fail "$(cat err)"
equal "$(requests srv '.path == "/elsewhere"')" 0
it "does not show what a server says: it could repeat the header"
echo 'echo 1' > srv/faults; ! GUMSHOE_SHIP_HEADERS="Authorization: Bearer hunter2" ship --to "http://127.0.0.1:$port/put/c" d || fail "sent"

it "says what is missing where there is no libcurl"
mkdir none; : > none/libcurl.so.4
equal "$(LD_LIBRARY_PATH=$tmp/none status_of ship --to s3://bucket/x d)" 3
! LD_LIBRARY_PATH=$tmp/none ship --to s3://bucket/x d 2> err || fail "it sends"
grep -q 'libcurl is needed' err || fail "$(cat err)"
it "refuses secrets in its arguments, without showing them"
for dest in https://me:hunter2@host/x https://hunter2@host s3://AKID:hunter2@bucket/x "https://host/x?token=hunter2" "https://host:hunter2/" \
    https://me:hun/hunter2@host/ "https://host/#hunter2" ftp://hunter2 "s3://bucket/../hunter2" "https://ho st/hunter2" https:///hunter2; do
    equal "$(status_of ship --to "$dest" d)" 2 "$dest"
    [ "$(grep -c . err)" = 2 ] || fail "$dest: $(cat err)"
done
ship --to https://me:hunter2@host/x d || grep -q 'GUMSHOE_SHIP_HEADERS or --headers FILE' err || fail "no hint: $(cat err)"
it "refuses headers that it cannot send, without showing them"
for text in 'hunter2' 'Content-Length: hunter2' 'A b: hunter2' $'X: hun\x01ter2'; do
    equal "$(GUMSHOE_SHIP_HEADERS=$text status_of ship --to "http://127.0.0.1:$port/put/d" d)" 2 "header"
done
equal "$(AWS_SECRET_ACCESS_KEY=$'wJalrXUtnFEMI\nX: y' status_of ship --to s3://bucket/x d)" 2 "a key with a line end"
equal "$(AWS_ENDPOINT_URL=http://me:hunter2@127.0.0.1 status_of ship --to s3://bucket/x d)" 2 "an endpoint with a password"
no_secret_in said d f
it "says what is missing"
equal "$(AWS_SECRET_ACCESS_KEY= status_of ship --to s3://bucket/x d)" 2
grep -q 'AWS_SECRET_ACCESS_KEY is not set' err || fail "$(cat err)"
equal "$(status_of ship d)" 2; equal "$(status_of ship --to s3://bucket/x missing)" 3

it "checks certificates, always"
end_server
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> /dev/null
rm -rf srv/store; unset AWS_ENDPOINT_URL; serve srv 0 cert.pem key.pem
! ship --to "https://localhost:$port/put/tls" d || fail "sent without a trusted certificate"
grep -q 'SSL peer certificate' err || fail "$(cat err)"
! ship --ca cert.pem --to "https://127.0.0.1:$port/put/tls" d || fail "sent to another name"
ship --ca cert.pem --to "https://localhost:$port/put/tls" d || fail "$(cat err)"; arrived srv d

it "has a journal elsewhere, where there can be none in the directory"
mkdir e; make_incident e 1; mkdir e/.shipped
ship --ca cert.pem --to "https://localhost:$port/put/e" e || fail "$(cat err)"
grep -q -- '--journal FILE' err || fail "$(cat err)"
ship --ca cert.pem --journal journal --to "https://localhost:$port/put/e" e || fail "$(cat err)"
ship --ca cert.pem --journal journal --to "https://localhost:$port/put/e" e && grep -q 'nothing to send' err || fail "$(cat err)"

it "sends no link and no other file of an incident, and no incident that is a link"
ln -s /etc/passwd e/20261127T030501.000Z-leak-7/passwd; mkfifo e/20261127T030501.000Z-leak-7/fifo
mkdir h; cp -r d/20261127T030502.000Z-leak-7 elsewhere; ln -s ../elsewhere h/20261127T030502.000Z-leak-7
rm -rf srv/store; ship --ca cert.pem --journal journal2 --to "https://localhost:$port/put/l" e || fail "$(cat err)"
equal "$(tar -tzf "$(find srv/store -name _bundle.tar.gz)" | sed 's|.*/||' | grep . | sort | tr '\n' ' ')" "heap.txt incident.json summary.txt " "files"
! ship --ca cert.pem --journal journal2 --to "https://localhost:$port/put/l" h || fail "a link was sent"
