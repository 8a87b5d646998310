#include "cache.h"

#include <string.h>

void *cache_none[2];

struct cache cache_first = CACHE_EMPTY;

__thread struct cache cache_self __attribute__((tls_model("initial-exec"))) = CACHE_EMPTY;

void cache_init(bool routed, unsigned left)
{
	cache_first.left = left;
	cache_first.direct = routed ? 0 : LARGE_MOST - TINY_MOST;
	if (routed)
		memset(cache_first.cls, 0, sizeof(cache_first.cls));
}
