# bash's own tests, from Debian's source package: each test's output, under the bash that is installed.
# needs: bash apt-get
. "$HOSTS_LIB"
cd varies
mkdir -p lists/partial cache/archives/partial
printf 'Dir::Etc::sourcelist "%s/deb-src.sources";\nDir::Etc::sourceparts "-";\nDir::State::lists "%s/lists";\nDir::Cache "%s/cache";\nAPT::Sandbox::User "root";\n' "$PWD" "$PWD" "$PWD" > apt.conf
sed 's/^Types: .*/Types: deb-src/; s/^deb /deb-src /' /etc/apt/sources.list.d/debian.sources > deb-src.sources 2> /dev/null || skip "no list of Debian's sources here"
export APT_CONFIG=$PWD/apt.conf
kept=/var/tmp/gumshoe-hosts-bash-source # fetched once
if ! [ -e $kept/done ]; then
    mkdir -p $kept && { timeout 120 apt-get -q update && (cd $kept && timeout 120 apt-get -q source --download-only bash) && touch $kept/done; } > fetched 2>&1 || skip "Debian's source packages cannot be reached"
fi
unset APT_CONFIG
tar -xf $kept/bash_*.orig.tar.* && cd bash-*/ 2> /dev/null || { tar -xf bash-*.tar.* && cd bash-*/; }
[ -d tests ] || skip "the source package has no tests"
cd tests
# The helpers that the tests call; theirs need a configured source tree.
printf '#!/bin/sh\ni=0; for a in "$@"; do i=$((i + 1)); printf "argv[%%d] = <%%s>\\n" $i "$a"; done\n' > recho
printf '#!/bin/sh\nprintf "%%s\\n" "$*"\n' > zecho
printf '#!/bin/sh\nif [ "$1" = -u ]; then tr a-z A-Z; else tr A-Z a-z; fi\n' > xcase
chmod +x recho zecho xcase
export THIS_SH=$(command -v bash) BUILD_DIR=$PWD PATH=.:$PATH
for part in arith array array2 assoc braces case casemod comsub comsub-eof comsub-posix cond coproc cprint dynvar errors exp exportfunc extglob func getopts \
    glob heredoc herestr ifs invert invocation iquote jobs lastpipe mapfile more-exp nameref new-exp nquote parser posixexp posixpat posixpipe precedence \
    printf procsub quote read redir rhs-exp set-e set-x shopt strip test tilde trap type varenv; do
    file=$(ls ./$part.tests ./$part ./$part.sub 2> /dev/null | head -n 1)
    [ -n "$file" ] || continue
    echo "== $part"
    timeout 300 host bash $file 2>&1 < /dev/null | sed -E '/RO_PID/d; s/[0-9]{4,}/N/g; s/^timeout 1: ok$/1/' # process numbers; what a read with 10 µs comes to
    echo "status ${PIPESTATUS[0]}"
done
