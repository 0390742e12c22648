# bash's own tests, from Debian's source package: each test's output, under the bash that is installed.
# needs: bash apt-get make
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
cc -o tests/recho support/recho.c && cc -o tests/zecho support/zecho.c && cc -o tests/printenv support/printenv.c && cc -o tests/xcase support/xcase.c
cd tests
export THIS_SH=$(command -v bash) BUILD_DIR=$PWD PATH=.:$PATH
for run in run-arith run-array run-array2 run-assoc run-braces run-case run-casemod run-comsub run-comsub-eof run-comsub-posix run-cond run-coproc \
    run-cprint run-dynvar run-errors run-exp-tests run-exportfunc run-extglob run-func run-getopts run-glob-test run-heredoc run-herestr run-ifs \
    run-invert run-invocation run-iquote run-jobs run-lastpipe run-mapfile run-more-exp run-nameref run-new-exp run-nquote run-parser run-posixexp \
    run-posixpat run-posixpipe run-precedence run-printf run-procsub run-quote run-read run-redir run-rhs-exp run-set-e run-set-x run-shopt run-strip \
    run-test run-tilde run-trap run-type run-varenv; do
    [ -e $run ] || continue
    echo "== $run"
    timeout 120 host bash $run 2>&1 | grep -vE 'warning:|[0-9]{4,}' # process numbers, and words to whoever reads the differences
done
