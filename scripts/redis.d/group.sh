# Several servers that are started, kept and ended together; sourced by bash.
# shellcheck shell=bash

# One entry for each server, in the order in which they start.
ports=() processes=() died=() commands=()

# add PORT ARGUMENT... - starts a server that is one of the group.
add() {
  local port=$1
  shift
  mkdir -p "$directory/$port"
  ports+=("$port")
  died+=(0)
  commands+=("$(printf '%q ' redis-server "$@" --port "$port" --bind 127.0.0.1 \
    --dir "$directory/$port" --logfile "$directory/$port/log" --daemonize no)")
  processes+=(0)
  launch $((${#ports[@]} - 1))
}

# launch PLACE - starts a server, again or for the first time.
launch() {
  # With a process group of its own: Ctrl-C in the terminal is for this script to pass on.
  set -m
  eval "exec ${commands[$1]}" >/dev/null &
  processes[$1]=$!
  set +m
  disown "${processes[$1]}"
}

# until_so WHAT COMMAND... - polls for half a minute.
until_so() {
  local what=$1 tries=0
  shift
  until "$@" 2>/dev/null; do
    tries=$((tries + 1))
    [[ $tries -lt 300 ]] || fail "still not so: $what; see $directory"
    sleep 0.1
  done
}

answers() { [[ $(redis-cli -p "$1" PING) == PONG ]]; }

# keep - starts again what dies, until a signal ends this script.
keep() {
  local place
  while :; do
    for place in "${!ports[@]}"; do
      if kill -0 "${processes[$place]}" 2>/dev/null; then
        died[place]=0
      elif [[ ${died[$place]} -eq 0 ]]; then
        died[place]=$((SECONDS + 1))
        say "127.0.0.1:${ports[$place]} has died; it is started again in 10 seconds"
      elif [[ $((SECONDS + 1 - died[place])) -ge 10 ]]; then
        launch "$place"
        say "127.0.0.1:${ports[$place]} is started again, process ${processes[$place]}"
      fi
    done
    sleep 0.2
  done
}

# end - ends the servers, the last one first: no sentinel and no replica is left to take a master's
# end for a failure, and no master waits for replicas.
end() {
  local place
  trap '' INT TERM
  for ((place = ${#ports[@]} - 1; place >= 0; place--)); do
    kill -TERM "${processes[$place]}" 2>/dev/null || continue
    # One that somebody has stopped, too.
    kill -CONT "${processes[$place]}" 2>/dev/null || true
    while kill -0 "${processes[$place]}" 2>/dev/null; do sleep 0.02; done
  done
  rm -rf "$directory"
}

# begin - makes the directory; however this script is ended, nothing is left behind.
begin() {
  directory=$(mktemp -d)
  trap end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# start_line SETTING... - says how to start the demo.
start_line() {
  echo "In another terminal, start the demo:"
  echo "  DEMO__SESSION__BACKEND=redis-key-value $* cargo run -p demo-server"
}
