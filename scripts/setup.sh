#!/usr/bin/env bash
# Make everything ready for one purpose, and nothing twice.
#
#   setup.sh [demo|test|bench|docs|embed|playground]     default: test
#
# Three steps, each skipped when there is nothing to do: the packages of package-lock.json, the
# Debian packages whose programs this purpose calls, and the build. Debian packages need root;
# without it the missing programs are named and whatever needs them is skipped by name.
#
#   SLUICE_NO_APT=1   leave Debian packages alone
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin
purpose=${1:-test}
node_min=20.19

say() { echo "setup: $*"; }
die() {
  echo "setup: $*" >&2
  exit 1
}

# Program and the Debian package that has it.
declare -A package_of=(
  [ip]=iproute2 [sysctl]=procps [nsenter]=util-linux [taskset]=util-linux [ping]=iputils-ping
  [ethtool]=ethtool [curl]=curl [iperf3]=iperf3 [nft]=nftables [tcpdump]=tcpdump
  [dig]=bind9-dnsutils [knotd]=knot [kdig]=knot-dnsutils [kxdpgun]=knot-dnsutils
  [unbound]=unbound [dnsperf]=dnsperf [openssl]=openssl [python3]=python3 [g++]=g++ [gcc]=gcc
)
compilers=(g++)
# What each purpose calls.
case $purpose in
  demo) programs=(ip nsenter sysctl ping curl dig iperf3) optional=() ;;
  test)
    programs=(ip nsenter sysctl ping curl dig iperf3 ethtool tcpdump openssl python3)
    optional=(
      clang-14 libbpf-dev gcc libusrsctp-dev
      podman runc containerd busybox-static containernetworking-plugins iptables nftables etcd-server
      knot knot-dnsutils dnsperf unbound musl-tools
      chromium wabt libjansson-dev python3-venv python3-scapy
    )
    ;;
  bench)
    programs=(
      ip nsenter sysctl taskset ping iperf3 ethtool nft gcc
      knotd kdig kxdpgun unbound dnsperf
    )
    optional=(containernetworking-plugins iptables)
    ;;
  embed)
    compilers=() programs=(gcc)
    optional=(chromium wabt libjansson-dev python3-venv)
    ;;
  docs | playground) compilers=() programs=() optional=() ;;
  *) die "unknown purpose '$purpose': expected demo, test, bench, docs, embed or playground" ;;
esac

# ---- Node and its packages --------------------------------------------------------------

command -v node >/dev/null || die "Node is missing: install Node $node_min or newer"
node_version=$(node -p process.versions.node)
if [[ $(printf '%s\n' "$node_min" "$node_version" | sort -V | head -1) != "$node_min" ]]; then
  die "Node $node_version is too old: install Node $node_min or newer"
fi

# npm writes the hidden lockfile at the end of every installation. No package we use needs an
# install script.
lock_stamp=node_modules/.package-lock.json
if [[ -L node_modules ]]; then
  say "node_modules is a link: it is left as it is"
elif [[ ! -f $lock_stamp || package-lock.json -nt $lock_stamp ]]; then
  say "npm ci"
  npm ci --ignore-scripts --no-audit --no-fund
  touch "$lock_stamp"
fi

# ---- Debian packages --------------------------------------------------------------------

# missing_of PROGRAM...: those that are not installed, one a line.
missing_of() {
  local program
  for program; do
    command -v "$program" >/dev/null || echo "$program"
  done
}

# packages_of PROGRAM...: the packages that have them, each once.
packages_of() {
  local program
  for program; do echo "${package_of[$program]}"; done | sort -u
}

# Servers that packages bring are programs that we start ourselves, where and when they are needed:
# until we are done no package may start one (policy-rc.d, invoke-rc.d(8)).
rc_policy=/usr/sbin/policy-rc.d
forbid_services() {
  [[ -e $rc_policy ]] && return
  printf '#!/bin/sh\nexit 101\n' >"$rc_policy"
  chmod 755 "$rc_policy"
  trap 'rm -f "$rc_policy"' EXIT
}

# Nor at the next boot, if it was not there before. Units are those of the packages' names.
forget_service() {
  command -v systemctl >/dev/null || return 0
  systemctl disable --quiet "$1.service" 2>/dev/null || true
}

services=(knot unbound etcd-server)
apt_updated=false
apt_install() {
  local service new=()
  export DEBIAN_FRONTEND=noninteractive
  forbid_services
  for service in "${services[@]}"; do
    [[ " $* " == *" $service "* ]] && ! dpkg -s "$service" >/dev/null 2>&1 && new+=("$service")
  done
  if ! $apt_updated; then
    apt_updated=true
    apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
  fi
  apt-get install -qq -y --no-install-recommends "$@" >/dev/null || return
  for service in "${new[@]}"; do forget_service "${service%-server}"; done
}

can_apt() {
  [[ $EUID -eq 0 && -z ${SLUICE_NO_APT:-} ]] && command -v apt-get >/dev/null
}

mapfile -t missing < <(missing_of "${compilers[@]}" "${programs[@]}")
if ((${#missing[@]} > 0)) && can_apt; then
  mapfile -t packages < <(packages_of "${missing[@]}")
  say "apt-get install ${packages[*]}"
  apt_install "${packages[@]}" || say "apt-get install failed"
  mapfile -t missing < <(missing_of "${compilers[@]}" "${programs[@]}")
fi
for program in "${missing[@]}"; do
  [[ $program == g++ ]] && die "no C++ compiler: install the Debian package g++"
  say "$program is missing (Debian package ${package_of[$program]}): what needs it is skipped"
done

# clang only compares the committed bytecode with its sources, usrsctp is the SCTP stack that one test
# speaks with, scapy writes captures, knot-dnsutils and musl-tools bring resolvers beside glibc's, the
# container runtimes, the reference plugins and etcd are what the pod network is held against, Chromium
# is where the playground is looked at and one place where the core runs, and wabt (wasm2c) another:
# worth one attempt, not a failure. One that is not to be had keeps no other away.
tried=build/stamps/optional-packages-$purpose
if ((${#optional[@]} > 0)) && can_apt && [[ $(cat "$tried" 2>/dev/null) != "${optional[*]}" ]]; then
  if ! dpkg -s "${optional[@]}" >/dev/null 2>&1; then
    say "apt-get install ${optional[*]} (optional)"
    if ! apt_install "${optional[@]}"; then
      for package in "${optional[@]}"; do
        apt_install "$package" || say "not available: $package"
      done
    fi
  fi
  mkdir -p build/stamps
  echo "${optional[*]}" >"$tried"
fi

# `exec` runs no trap.
[[ -z $(trap -p EXIT) ]] || rm -f "$rc_policy"

# ---- Build ------------------------------------------------------------------------------

case $purpose in
  demo) exec bash scripts/build.sh core native host ;;
  test) exec bash scripts/build.sh core baseline debug embed native host ;;
  bench) exec bash scripts/build.sh core bench native host ;;
  embed) exec bash scripts/build.sh core baseline ;;
  docs) ;;
  playground) exec bash scripts/build.sh core ;;
esac
