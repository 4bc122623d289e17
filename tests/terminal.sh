#!/bin/bash
# terminal.sh PROGRAM [ARGUMENT...] - runs it in a pseudo-terminal of 100 by 30 whose screen
# and keys are there for it: `tmux capture-pane' and `tmux send-keys', by TMUX in its
# environment.  Ends when it ends, with its status.  77: there is no tmux.
set -u
command -v tmux >/dev/null || { echo "SKIP: there is no tmux here"; exit 77; }
home=$(mktemp -d) || exit 1
trap 'tmux -S "$home/tmux" kill-server 2>/dev/null; rm -rf "$home"' EXIT
trap 'exit 1' INT TERM
printf -v program '%q ' "$@"
tmux -S "$home/tmux" -f /dev/null new-session -d -x 100 -y 30 "$program; echo \$? >$(printf %q "$home/status")" || exit 1
# Nobody signals this: it ends with the server, which ends with its only session.
tmux -S "$home/tmux" wait-for never 2>/dev/null
exit "$(cat "$home/status" 2>/dev/null || echo 1)"
