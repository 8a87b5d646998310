#!/bin/sh
# The demo behind `make demo`: records redis-server (several threads; one frees in the background
# what another allocated) under redis-benchmark, replays the trace on every allocator found, prints
# the table and writes the report.
set -eu
cd "$(dirname "$0")"
build=${BUILD:-build}
out=build/demo
requests=${DEMO_REQUESTS:-20000}

mkdir -p "$out"
rm -f "$out"/*.zst "$out"/results.jsonl "$out"/report.html
run=$(mktemp -d) # a socket's path must be short
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$run"' EXIT
trap 'exit 1' HUP INT TERM

say() {
	printf '\n\033[1m%s\033[0m\n' "$*"
}
[ -t 1 ] && [ -z "${NO_COLOR-}" ] || say() {
	printf '\n%s\n' "$*"
}

say "1. Record redis-server under redis-benchmark"
"$build/hakrec" -o "$out/redis.zst" redis-server --port 0 --unixsocket "$run/redis.sock" \
	--save '' --appendonly no --dir "$run" --daemonize no --lazyfree-lazy-user-del yes \
	--lazyfree-lazy-user-flush yes >"$out/redis.log" &
server=$!
tries=0
until redis-cli -s "$run/redis.sock" ping >/dev/null 2>&1; do
	tries=$((tries + 1))
	if [ $tries -ge 100 ] || ! kill -0 "$server" 2>/dev/null; then
		cat "$out/redis.log" >&2
		echo "demo: redis-server does not answer" >&2
		exit 1
	fi
	sleep 0.1
done
for bytes in 30 300 3000; do
	redis-benchmark -s "$run/redis.sock" -q -n "$requests" -r 20000 -d $bytes -c 16 -P 8 \
		-t set,get,lpush,rpop,sadd,hset,zadd | tr '\r' '\n' | grep 'requests per second'
	redis-cli -s "$run/redis.sock" flushall >/dev/null
done
redis-cli -s "$run/redis.sock" shutdown nosave 2>/dev/null || true
status=0
wait "$server" || status=$?
server=
if [ "$status" -ne 0 ]; then
	cat "$out/redis.log" >&2
	echo "demo: redis-server ended with status $status" >&2
	exit 1
fi
"$build/haktrace" verify "$out/redis.zst"
"$build/haktrace" info "$out/redis.zst"

allocators=hakmem,glibc,jemalloc,tcmalloc,mimalloc
say "2. Replay it: the recorded total order, all threads carried by one"
"$build/hakreplay" "$out/redis.zst" --alloc $allocators --schedule lockstep \
	--json "$out/results.jsonl"
say "3. Replay it: real threads, real contention"
"$build/hakreplay" "$out/redis.zst" --alloc $allocators --schedule parallel \
	--json "$out/results.jsonl"

say "4. Report"
.venv/bin/python -m haktrace.report "$out/redis.zst" "$out/results.jsonl" -o "$out/report.html"
echo "Open $PWD/$out/report.html in a browser. The trace as a DataFrame:"
echo "  .venv/bin/python -c 'import haktrace; print(haktrace.read_trace(\"$out/redis.zst\").events)'"
