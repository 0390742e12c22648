# A server that daemonizes, terminals, and programs in them.
# needs: tmux
. "$HOSTS_LIB"
t="host tmux -f /dev/null -S $PWD/varies/s"
$t new-session -d -x 80 -y 24 'sh -c "echo inside; cat"'
wait_for sh -c "tmux -S $PWD/varies/s capture-pane -p | grep -q inside"
$t send-keys hello Enter
wait_for sh -c "[ \$(tmux -S $PWD/varies/s capture-pane -p | grep -c hello) = 2 ]"
$t capture-pane -p | head -n 4
$t list-panes -F '#{pane_width}x#{pane_height}'
pid=$(tmux -S varies/s display-message -p '#{pid}')
witness $pid | grep -E '^(Sig|Umask|Cap|fd [012] )' | sed 's/fd \([012]\) .*/fd \1/'
$t kill-server
wait_for sh -c "! kill -0 $pid"
