# Servers of other Debian releases, run beside those of this machine. Sourced by bash.
# shellcheck shell=bash

# apt_for SUITE ARGUMENT... - runs a tool of apt for one release only. Everything that it stores is
# below target/servers, and it knows of no installed package, so that it also fetches libraries that
# the system has in another version. It checks signatures as always.
apt_for() {
  local suite=$1 state=$PWD/target/servers/$1 tool=$2
  shift 2
  "$tool" -qq -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o APT::Install-Recommends=false \
    -o Debug::NoLocking=true "$@"
}

# debian_mirror - prints the address of the Debian mirror that this machine uses.
debian_mirror() {
  apt-get indextargets --format '$(CREATED_BY)|$(ORIGIN)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
    sed -n 's/^Packages|Debian|main|//p' | head -n 1
}

# unpack_server NAME SUITE PACKAGE PROGRAM - puts a server of a release and all its libraries into
# target/servers/NAME, with a program `redis-server` that starts it. Says why it cannot, and fails.
unpack_server() {
  local name=$1 suite=$2 package=$3 program=$4
  local folder=$PWD/target/servers/$name state=$PWD/target/servers/$suite mirror
  [[ -x $folder/redis-server ]] && return
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    { echo "needs the packages of Debian, and this system has no apt"; return 1; }
  mirror=$(debian_mirror)
  [[ -n $mirror ]] || { echo "no Debian mirror is configured here"; return 1; }
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  : >"$state/status"
  echo "deb $mirror $suite main" >"$state/sources.list"
  { apt_for "$suite" apt-get -o APT::Update::Error-Mode=any update &&
    apt_for "$suite" apt-get clean &&
    apt_for "$suite" apt-get -y --download-only install "$package"; } >"$state/log" 2>&1 ||
    { echo "the mirror does not offer Debian $suite (target/servers/$suite/log)"; return 1; }

  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  local archive
  for archive in "$state"/cache/archives/*.deb; do
    dpkg-deb -x "$archive" "$folder.new" || { echo "$archive cannot be unpacked"; return 1; }
  done
  local loader libraries
  loader=$(find "$folder.new" -type f \( -name 'ld-linux*.so.*' -o -name 'ld-[0-9]*.so' \) |
    head -n 1)
  libraries=$(find "$folder.new" -name 'lib*.so.*' -not -path '*/gdb/*' -printf '%h\n' |
    sort -u | paste -sd :)
  [[ -n $loader && -e $folder.new/usr/bin/$program ]] ||
    { echo "$package of Debian $suite has another form than expected"; return 1; }
  # Its own loader and libc: those of this machine may be older. Lua loads cjson at run time.
  cat >"$folder.new/redis-server" <<SCRIPT
#!/bin/sh
export LUA_CPATH="$folder/usr/lib/$(uname -m)-linux-gnu/lua/5.1/?.so"
exec "${loader/.new/}" --library-path "${libraries//$folder.new/$folder}" \\
  "$folder/usr/bin/$program" "\$@"
SCRIPT
  chmod +x "$folder.new/redis-server"
  rm -rf "$folder"
  mv "$folder.new" "$folder"
  "$folder/redis-server" --version >/dev/null 2>&1 ||
    { rm -rf "$folder"; echo "$package of Debian $suite does not run here"; return 1; }
}
