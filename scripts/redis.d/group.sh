# A group of servers that are started, supervised and stopped together. Sourced by bash.
# shellcheck shell=bash

# One entry for each server, in the order of their start.
ports=() processes=() died=() commands=()

# add PORT ARGUMENT... - starts a server of the group.
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

# launch INDEX - starts or restarts a server.
launch() {
  # In its own process group, so that Ctrl-C in the terminal reaches only this script.
  set -m
  eval "exec ${commands[$1]}" >/dev/null &
  processes[$1]=$!
  set +m
  disown "${processes[$1]}"
}

# wait_until DESCRIPTION COMMAND... - polls until the command succeeds, for half a minute at most.
wait_until() {
  local description=$1 tries=0
  shift
  until "$@" 2>/dev/null; do
    tries=$((tries + 1))
    [[ $tries -lt 300 ]] || fail "timed out waiting until $description; see $directory"
    sleep 0.1
  done
}

answers() { [[ $(redis-cli -p "$1" PING) == PONG ]]; }

# supervise - restarts servers that exit, until a signal stops this script.
supervise() {
  local index
  while :; do
    for index in "${!ports[@]}"; do
      if kill -0 "${processes[$index]}" 2>/dev/null; then
        died[index]=0
      elif [[ ${died[$index]} -eq 0 ]]; then
        died[index]=$((SECONDS + 1))
        say "127.0.0.1:${ports[$index]} has exited; it will be restarted in 10 seconds"
      elif [[ $((SECONDS + 1 - died[index])) -ge 10 ]]; then
        launch "$index"
        say "127.0.0.1:${ports[$index]} was restarted, process ${processes[$index]}"
      fi
    done
    sleep 0.2
  done
}

# tear_down - stops the servers, the last one first, so that no sentinel or replica reacts to the
# end of a master and no master waits for replicas.
tear_down() {
  local index
  trap '' INT TERM
  for ((index = ${#ports[@]} - 1; index >= 0; index--)); do
    kill -TERM "${processes[$index]}" 2>/dev/null || continue
    # A stopped process handles the signal only after it continues.
    kill -CONT "${processes[$index]}" 2>/dev/null || true
    while kill -0 "${processes[$index]}" 2>/dev/null; do sleep 0.02; done
  done
  rm -rf "$directory"
}

# set_up - creates the directory. The traps remove everything however this script is stopped.
set_up() {
  directory=$(mktemp -d)
  trap tear_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# print_demo_command SETTING... - prints the command that starts the demo.
print_demo_command() {
  echo "In another terminal, start the demo:"
  echo "  DEMO__SESSION__BACKEND=redis-key-value $* cargo run -p demo-server"
}
