#!/bin/bash
# Completion in real shells: each is started on a terminal, the Tab key is pressed, and what it writes is looked at.
. "$(dirname "$0")/lib.sh"
mkdir bin && ln -s "$gumshoe" bin/gumshoe
for shell in bash zsh fish; do "$gumshoe" completion $shell > completion.$shell; done
mkdir functions && cp completion.zsh functions/_gumshoe
cat > tab.py <<'EOF'
"""tab.py SHELL KEYS TEXT: start SHELL with gumshoe's completion, press KEYS ("\\t" is Tab), and wait until it shows TEXT."""
import os, pty, re, select, sys, time
shell, keys, wanted = sys.argv[1], sys.argv[2].encode().decode("unicode_escape").encode(), sys.argv[3]
start = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='ready> '; bind 'set bell-style none'; . ./completion.bash\n"),
    "zsh": (["zsh", "-f", "-i"], "PS1='ready> '; unsetopt beep; fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -d $PWD/zcompdump; LISTMAX=1000\n"),
}[shell]
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(PATH=os.getcwd() + "/bin:" + os.environ["PATH"], TERM="dumb", HOME=os.getcwd(), COLUMNS="200", LINES="100")
    os.execvp(start[0][0], start[0])
shown = ""
def until(text, since=0):
    global shown
    end = time.time() + float(os.environ.get("GUMSHOE_PATIENCE", 300))
    while not re.search(text, shown[since:]):
        if time.time() > end or (select.select([fd], [], [], 1)[0] and not read()):
            os.kill(pid, 9)
            sys.exit("never showed %r: %r" % (text, shown[-2000:]))
def read():
    global shown
    try:
        some = os.read(fd, 65536)
    except OSError:
        return False
    shown += some.decode(errors="replace")
    return bool(some)
os.write(fd, start[1].encode())
until(r"ready> (\x1b\[\?2004h)?$")
mark = len(shown)
os.write(fd, keys)
until(wanted, mark)
os.kill(pid, 9)
os.waitpid(pid, 0)
EOF
tab() { python3 tab.py "$@" || fail "$1: $2"; }
touch rules-of-mine.json; mkdir incidents

for shell in bash zsh; do
    command -v $shell > /dev/null || { echo "  no $shell here"; continue; }
    it "completes commands in $shell"
    tab $shell 'gumshoe repl\t' 'gumshoe replay '
    tab $shell 'gumshoe s\t\t' 'symbolize'
    it "completes options in $shell"
    tab $shell 'gumshoe replay --expect-n\t' 'gumshoe replay --expect-none'
    tab $shell 'gumshoe show --br\t' 'gumshoe show --brief'
    tab $shell 'gumshoe run --ru\t' 'gumshoe run --rules'
    it "completes files, directories, kinds and sample types in $shell"
    tab $shell 'gumshoe check rules-of\t' 'gumshoe check rules-of-mine.json'
    tab $shell 'gumshoe run --rules rules-of\t' 'rules-of-mine.json'
    tab $shell 'gumshoe show --dir inc\t' 'gumshoe show --dir incidents/'
    tab $shell 'gumshoe capture --kinds threadc\t' 'gumshoe capture --kinds threadcreate'
    tab $shell 'gumshoe capture --kinds heap,threadc\t' 'gumshoe capture --kinds heap,threadcreate'
    tab $shell 'gumshoe top --sample inuse_ob\t' 'gumshoe top --sample inuse_objects'
    it "completes a process in $shell"
    sleep 600 & started="$started $!"
    tab $shell "gumshoe status ${!%?}\t\t" "$!"
    it "completes the program that is to be run in $shell, whose options are its own"
    tab $shell 'gumshoe run --dir incidents gums\t' 'gumshoe run --dir incidents gumshoe '
done
if command -v fish > /dev/null; then
    it "completes in fish"
    export HOME=$tmp XDG_CONFIG_HOME=$tmp
    in_fish() { fish --no-config -c "source completion.fish; complete -C '$1'" | cut -f1; }
    in_fish 'gumshoe repl' | grep -qx replay || fail "commands: $(in_fish 'gumshoe repl')"
    in_fish 'gumshoe show --br' | grep -qx -- --brief || fail "options"
    in_fish 'gumshoe run --rules rules-of' | grep -qx rules-of-mine.json || fail "files: $(in_fish 'gumshoe run --rules rules-of')"
    in_fish 'gumshoe capture --kinds threadc' | grep -qx threadcreate || fail "kinds"
    in_fish 'gumshoe top --sample inuse_ob' | grep -qx inuse_objects || fail "types"
    in_fish "gumshoe status ${!%?}" | grep -qx "$!" || fail "processes"
    [ -z "$(in_fish 'gumshoe show --ru')" ] || fail "an option of another command"
fi
it "offers every command and every option that --help has"
for command in $("$gumshoe" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    [ "$command" != gumshoe ] || continue
    for option in $("$gumshoe" "$command" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'); do
        sed -n "/^    $command)/,/;;\$/p" completion.bash | grep -q -- "$option " || fail "bash: $command $option"
        sed -n "/^$command)/,/^  ;;/p" completion.zsh | grep -q -- "'\*$option\[" || fail "zsh: $command $option"
        grep -q -- "from $command' -l ${option#--} " completion.fish || fail "fish: $command $option"
    done
done
it "is not in --help, and names the shells it knows"
! "$gumshoe" --help | grep -q completion || fail "in --help"
equal "$(status_of "$gumshoe" completion csh)" 2
