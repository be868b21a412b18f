# Functions for all scripts. Sourced by bash.
# shellcheck shell=bash

# Colour only in a terminal.
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else
  bold='' green='' red='' dim='' plain=''
fi

say() { printf '%s==>%s %s%s%s\n' "$green" "$plain" "$bold" "$*" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }
fail() {
  printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
  exit 1
}

# is_there NAME - tells whether there is such a command or shared library.
is_there() {
  command -v "$1" >/dev/null || compgen -G "/usr/lib*/$1" >/dev/null ||
    compgen -G "/usr/lib/*/$1" >/dev/null
}

# need NAME PACKAGE... - installs a command or a shared library unless it exists. PACKAGE are its
# names in various package managers; the first one that can be installed is used.
need() {
  local name=$1
  shift
  is_there "$name" && return
  local root=()
  if [[ $(id -u) -ne 0 ]]; then
    # A script must not wait for a password.
    command -v sudo >/dev/null && sudo -n true 2>/dev/null && root=(sudo -n)
    [[ ${#root[@]} -eq 0 ]] && ! command -v brew >/dev/null &&
      fail "$name is missing: install it ($* in most package managers)"
  fi
  say "Installing $name"
  local package
  for package in "$@"; do
    if command -v apt-get >/dev/null; then
      "${root[@]}" apt-get update -qq || true
      DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get -o DPkg::Lock::Timeout=60 install -y -qq "$package" >/dev/null || true
    elif command -v dnf >/dev/null; then
      "${root[@]}" dnf install -y -q "$package" || true
    elif command -v pacman >/dev/null; then
      "${root[@]}" pacman -Sy --noconfirm --needed "$package" || true
    elif command -v brew >/dev/null; then
      brew install --quiet "$package" || true
    fi
    hash -r
    is_there "$name" && return
  done
  fail "$name is missing and cannot be installed here: install it ($* in most package managers)"
}

# free_port - prints a free port.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}
