# Three masters with a replica each; sourced by scripts/redis.
# shellcheck shell=bash
# What stands in group.sh and scripts/redis.
# shellcheck disable=SC2154

first=${port:-7000}
nodes=()
for number in 0 1 2 3 4 5; do
  refuse_used $((first + number)) $((first + number + 10000))
  nodes+=("127.0.0.1:$((first + number))")
done
begin

for number in 0 1 2 3 4 5; do
  add $((first + number)) --save '' --appendonly no --cluster-enabled yes \
    --cluster-node-timeout 1500 --cluster-require-full-coverage no \
    --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0
done
for number in 0 1 2 3 4 5; do
  until_so "a node answers" answers $((first + number))
done
redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$directory/log" ||
  fail "the cluster is not formed; see $directory"
are_whole() {
  local number told
  for number in 0 1 2 3 4 5; do
    told=$(redis-cli -p $((first + number)) CLUSTER INFO)
    [[ $told == *cluster_state:ok* && $told == *cluster_slots_ok:16384* ]] || return 1
    told=$(redis-cli -p $((first + number)) INFO replication)
    [[ $told == *master_link_status:up* || $told == *state=online* ]] || return 1
  done
}
until_so "the cluster is whole" are_whole

say "Redis as a cluster, until Ctrl-C"
for place in "${!ports[@]}"; do
  role=replica
  [[ $place -gt 2 ]] || role=master
  echo "  127.0.0.1:${ports[$place]}  $role, process ${processes[$place]}"
done
start_line "DEMO__REDIS__CLUSTER=${nodes[0]},${nodes[1]},${nodes[2]}"
echo "Kill a master, and about three seconds later its replica has taken its place:"
echo "  kill -9 ${processes[0]}"
echo "Ask who has which slots:"
echo "  redis-cli -p $((first + 1)) CLUSTER NODES"
keep
