/*
 * A library to open at run time: allocates and frees on behalf of its host. Built more than once,
 * with another PLUGIN_BYTES, so that one can follow another at the same address.
 */
#include <stdlib.h>

#define API __attribute__((visibility("default")))

API void *plugin_allocate(void);
API void plugin_free(void *block);

API void *plugin_allocate(void)
{
	void *volatile block = malloc(PLUGIN_BYTES);

	return block;
}

API void plugin_free(void *block)
{
	free(block);
}
