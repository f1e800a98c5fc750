#!/bin/bash
# The three machines of conf/three-vms.md and a client, each in a network namespace of its own. Runs in
# namespaces of its own as well (mount, net, pid): nothing of the machine changes, and all processes
# end with this one.
#
#   failover.sh FOLDER PILOTAGE      FOLDER has ca.crt, pilotage.toml and keepalived.conf
#
# Prints one line for each thing that was seen to happen.
set -euo pipefail
folder=$1 pilotage=$2
cd "$folder"

# Names of namespaces are files in a folder that belongs to us alone.
mkdir -p run
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
# ping and bind need the loopback of each.
ip link set lo up
ip link add net0 type bridge
ip link set net0 up

join() {
  local name=$1 address=$2
  ip netns add "$name"
  ip link add "to-$name" type veth peer name eth0 netns "$name"
  ip link set "to-$name" master net0 up
  ip -n "$name" link set lo up
  ip -n "$name" link set eth0 up
  ip -n "$name" address add "$address/24" dev eth0
}

in_() { ip netns exec "$@"; }

until_() {
  local what=$1 tries=0
  shift
  until "$@"; do
    tries=$((tries + 1))
    if ((tries > 300)); then
      echo "never happened: $what"
      tail -n 20 ./*.log
      exit 1
    fi
    sleep 0.1
  done
}

join edge-1 10.0.0.11
join edge-2 10.0.0.12
join vm-3 10.0.0.13
join client 10.0.0.99

cat >nginx.conf <<'CONF'
daemon off; error_log stderr; events {}
http {
  access_log off;
  server {
    listen 8080;
    location / { return 200 "{}"; }
    location = /api/v2.0/health {
      return 200 '{"status":"healthy","components":[{"name":"core","status":"healthy"},
        {"name":"registry","status":"healthy"}]}';
    }
  }
}
CONF
for name in edge-1 edge-2 vm-3; do
  ip netns exec "$name" nginx -p "$folder" -c nginx.conf -g "pid $name.nginx.pid;" 2>"$name.nginx.log" &
done

start_pilotage() {
  mkdir -p "$1.state"
  { echo "state_folder = \"$folder/$1.state\"" && cat pilotage.toml; } >"$1.toml"
  ip netns exec "$1" "$pilotage" run --config "$folder/$1.toml" >"$1.out" 2>"$1.log" &
  eval "${1/-/_}=\$!"
  until_ "$1 is ready" in_ "$1" "$pilotage" health --config "$folder/$1.toml" >/dev/null 2>&1
}

start_keepalived() {
  local name=$1 own=$2 other=$3
  sed -e "s|unicast_src_ip .*|unicast_src_ip $own|" -e "s|^        10.0.0.12\$|        $other|" \
    -e "s|^    router_id .*|    router_id $name|" -e "s|script_user .*|script_user root|" \
    -e "s|/usr/bin/pilotage health --config .*\"|$pilotage health --config $folder/$name.toml\"|" \
    keepalived.conf >"$name.keepalived.conf"
  in_ "$name" keepalived --config-test -f "$folder/$name.keepalived.conf"
  in_ "$name" keepalived --dont-fork --log-console --vrrp -f "$folder/$name.keepalived.conf" \
    -p "$folder/$name.pid" -r "$folder/$name.vrrp.pid" >"$name.keepalived.log" 2>&1 &
}

holds() { ip -n "$1" -brief address show dev eth0 | grep -q ' 10\.0\.0\.20/'; }
serves() {
  in_ client curl -sS --max-time 2 -o /dev/null --cacert ca.crt \
    --resolve registry.example.com:443:10.0.0.20 https://registry.example.com/v2/ 2>client.log
}

start_pilotage edge-1
start_pilotage edge-2
start_keepalived edge-1 10.0.0.11 10.0.0.12
until_ "edge-1 holds the address" holds edge-1
start_keepalived edge-2 10.0.0.12 10.0.0.11
until_ "clients are served" serves
echo "edge-1 serves"

kill -STOP "$edge_1"
begin=$(date +%s%N)
until_ "edge-2 holds the address" holds edge-2
until_ "clients are served again" serves
echo "edge-2 serves after $((($(date +%s%N) - begin) / 1000000)) ms with a hung pilotage on edge-1"
if holds edge-1; then
  echo "both hold the address"
  exit 1
fi

kill -CONT "$edge_1"
until_ "edge-1 is ready" in_ edge-1 "$pilotage" health --config "$folder/edge-1.toml" >/dev/null 2>&1
until_ "keepalived sees it" grep -q 'succeeded' edge-1.keepalived.log
for _ in $(seq 30); do
  if ! holds edge-2 || holds edge-1; then
    echo "the address went back"
    exit 1
  fi
  serves
  sleep 0.1
done
echo "edge-1 is back and takes nothing"

# The whole machine: its network is gone from one moment to the next.
ip link set to-edge-2 down
begin=$(date +%s%N)
until_ "edge-1 holds the address" holds edge-1
until_ "clients are served again" serves
echo "edge-1 serves after $((($(date +%s%N) - begin) / 1000000)) ms without edge-2"
