#include "cache.h"

void *cache_none[2];

__thread struct cache cache_self __attribute__((tls_model("initial-exec"))) = CACHE_EMPTY;
