# A master with two replicas and three sentinels. Sourced by scripts/redis.
# shellcheck shell=bash
# These variables are set in group.sh and scripts/redis.
# shellcheck disable=SC2154

first=${port:-6379}
refuse_used "$first" $((first + 1)) $((first + 2)) \
  $((first + 20000)) $((first + 20001)) $((first + 20002))
set_up

options=(--save '' --appendonly no --repl-diskless-sync-delay 0 --repl-ping-replica-period 1)
add "$first" "${options[@]}"
wait_until "the master answers" answers "$first"
add $((first + 1)) "${options[@]}" --replicaof 127.0.0.1 "$first"
add $((first + 2)) "${options[@]}" --replicaof 127.0.0.1 "$first"
are_followed() { [[ $(redis-cli -p "$first" INFO replication | grep -c state=online) -eq 2 ]]; }
wait_until "the replicas follow" are_followed

add_sentinel() {
  local file=$directory/sentinel-$1.conf
  cat >"$file" <<CONFIGURATION
sentinel monitor mymaster 127.0.0.1 $first 2
sentinel down-after-milliseconds mymaster 1000
sentinel failover-timeout mymaster 3000
sentinel parallel-syncs mymaster 2
CONFIGURATION
  add "$1" "$file" --sentinel
}
sentinels=''
for number in 0 1 2; do
  add_sentinel $((first + 20000 + number))
  sentinels+=,127.0.0.1:$((first + 20000 + number))
done
agree() {
  local number info
  for number in 0 1 2; do
    info=$(redis-cli -p $((first + 20000 + number)) SENTINEL MASTER mymaster | paste -d ' ' - -)
    [[ $info == *'num-slaves 2'* && $info == *'num-other-sentinels 2'* ]] || return 1
  done
}
wait_until "the sentinels agree" agree

say "Redis with Sentinel, until Ctrl-C"
for index in 0 1 2; do
  role=replica
  [[ $index -gt 0 ]] || role=master
  echo "  127.0.0.1:${ports[$index]}   $role, process ${processes[$index]}"
done
for index in 3 4 5; do
  echo "  127.0.0.1:${ports[$index]}  sentinel, process ${processes[$index]}"
done
print_demo_command "DEMO__REDIS__SENTINELS=${sentinels#,}" DEMO__REDIS__MASTER=mymaster
echo "Kill the master; about two seconds later a replica replaces it:"
echo "  kill -9 ${processes[0]}"
echo "Ask who the master is:"
echo "  redis-cli -p $((first + 20000)) SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"
supervise
