#!/bin/sh
# Records the sample traces anew, into the folder given (default: here), with the hakrec found in
# PATH (`make install` puts it there). Works in a folder of its own with relative names, so that
# the recorded command lines hold nothing of the machine.
set -eu
into=$(cd "${1:-$(dirname "$0")}" && pwd)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

python() {
	cat >orders.py <<'PY'
import json
import random

source = random.Random(1)
orders = [
    {"number": i, "name": "part %d" % source.randrange(500),
     "prices": [source.random() for _ in range(source.randrange(12))],
     "tags": {str(k): source.choice("abc") * k for k in range(source.randrange(8))}}
    for i in range(1100)
]
for _ in range(3):
    orders = json.loads(json.dumps(orders, indent=1, sort_keys=True))
print(len(json.dumps(orders)))
PY
	PYTHONMALLOC=malloc hakrec -o python.zst /usr/bin/python3 orders.py
}

sqlite() {
	cat >orders.sql <<'SQL'
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer TEXT, total REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO orders SELECT i, 'customer ' || (i * 7919 % 1000), i * 1.5 FROM n;
CREATE INDEX by_customer ON orders(customer, total);
SELECT customer, count(*), sum(total) FROM orders GROUP BY customer ORDER BY 3 DESC LIMIT 5;
SELECT group_concat(substr(customer, -3), '') FROM (SELECT DISTINCT customer FROM orders);
UPDATE orders SET customer = upper(customer) WHERE id % 3 = 0;
DELETE FROM orders WHERE id % 5 = 0;
SELECT count(*), total(total) FROM orders;
SQL
	hakrec -o sqlite.zst sqlite3 :memory: '.read orders.sql'
}

git_log() {
	git init -q repository
	for i in $(seq 300); do
		seq $((i * 5 % 37)) $((i * 5 % 37 + i)) >"repository/file$((i % 20))"
		git -C repository add -A
		GIT_AUTHOR_DATE="2026-01-01T00:00:00Z" GIT_COMMITTER_DATE="2026-01-01T00:00:00Z" \
			git -C repository -c user.name=sample -c user.email= commit -qm "change $i" || true
	done
	hakrec --no-follow -o git.zst git -C repository --no-pager log --stat -M
}

compiler() {
	cat >words.cc <<'CC'
#include <cstdio>
#include <map>
#include <string>

int main()
{
	std::map<std::string, int> words;
	char word[100];
	while (std::scanf("%99s", word) == 1)
		words[word]++;
	for (const auto &[text, count] : words)
		std::printf("%d %s\n", count, text.c_str());
}
CC
	# The compiler proper is a child of g++: the largest of the traces.
	mkdir compiler
	(cd compiler && hakrec -o driver.zst g++ -O2 -S -o words.s ../words.cc)
	mv "$(ls -S compiler/*.zst | head -n 1)" compiler.zst
}

redis() {
	hakrec -o redis.zst redis-server --port 0 --unixsocket redis.sock --save '' --appendonly no \
		--lazyfree-lazy-user-del yes --lazyfree-lazy-user-flush yes >/dev/null &
	server=$!
	until redis-cli -s redis.sock ping >/dev/null 2>&1; do
		kill -0 $server
		sleep 0.1
	done
	for bytes in 20 400; do
		redis-benchmark -s redis.sock -q -n 8000 -r 8000 -d $bytes -c 8 -P 4 \
			-t set,get,lpush,rpop,sadd,hset,zadd >/dev/null
		redis-cli -s redis.sock flushall >/dev/null
	done
	redis-cli -s redis.sock shutdown nosave || true
	wait $server
	server=
}

for sample in python sqlite git_log compiler redis; do
	$sample >output
done
for sample in python sqlite git compiler redis; do
	haktrace verify $sample.zst
	[ "$(wc -c <$sample.zst)" -le 1000000 ] || {
		echo "record.sh: $sample.zst is larger than 1 MB" >&2
		exit 1
	}
	cp $sample.zst "$into"
done
