# Three masters with a replica each. Sourced by scripts/redis.
# shellcheck shell=bash
# These variables are set in group.sh and scripts/redis.
# shellcheck disable=SC2154

first=${port:-7000}
nodes=()
for number in 0 1 2 3 4 5; do
  refuse_used $((first + number)) $((first + number + 10000))
  nodes+=("127.0.0.1:$((first + number))")
done
set_up

for number in 0 1 2 3 4 5; do
  add $((first + number)) --save '' --appendonly no --cluster-enabled yes \
    --cluster-node-timeout 1500 --cluster-require-full-coverage no \
    --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0
done
for number in 0 1 2 3 4 5; do
  wait_until "the nodes answer" answers $((first + number))
done
redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$directory/log" ||
  fail "the cluster could not be created; see $directory"
is_complete() {
  local number info
  for number in 0 1 2 3 4 5; do
    info=$(redis-cli -p $((first + number)) CLUSTER INFO)
    [[ $info == *cluster_state:ok* && $info == *cluster_slots_ok:16384* ]] || return 1
    info=$(redis-cli -p $((first + number)) INFO replication)
    [[ $info == *master_link_status:up* || $info == *state=online* ]] || return 1
  done
}
wait_until "the cluster is complete" is_complete

say "Redis as a cluster, until Ctrl-C"
for index in "${!ports[@]}"; do
  role=replica
  [[ $index -gt 2 ]] || role=master
  echo "  127.0.0.1:${ports[$index]}  $role, process ${processes[$index]}"
done
print_demo_command "DEMO__REDIS__CLUSTER=${nodes[0]},${nodes[1]},${nodes[2]}"
echo "Kill a master; about three seconds later its replica replaces it:"
echo "  kill -9 ${processes[0]}"
echo "Ask who has which slots:"
echo "  redis-cli -p $((first + 1)) CLUSTER NODES"
supervise
