/*
 * pluginhost PLUGIN...: opens each library in turn, lets it allocate 10 blocks, closes it, then
 * frees them. pluginhost --deep PLUGIN: opens it with RTLD_DEEPBIND (its calls may bypass an
 * interposed allocator); host and plug-in free 10 blocks of the other's, and 10 of their own.
 */
#include "say.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 10 };

struct plugin {
	void *handle;
	void *(*allocate)(void);
	void (*free)(void *block);
};

static struct plugin plugin_open(const char *path, int flags)
{
	struct plugin plugin = {.handle = dlopen(path, RTLD_NOW | flags)};

	if (!plugin.handle) {
		say_to(2, "%s\n", dlerror());
		exit(1);
	}
	plugin.allocate = (void *(*)(void))dlsym(plugin.handle, "plugin_allocate");
	plugin.free = (void (*)(void *))dlsym(plugin.handle, "plugin_free");
	return plugin;
}

static void in_turn(const char *path)
{
	struct plugin plugin = plugin_open(path, RTLD_LOCAL);
	void *blocks[BLOCKS];
	int i;

	for (i = 0; i < BLOCKS; i++)
		blocks[i] = plugin.allocate();
	dlclose(plugin.handle);
	for (i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

static void deep(const char *path)
{
	struct plugin plugin = plugin_open(path, RTLD_LOCAL | RTLD_DEEPBIND);
	void *volatile block;
	int i;

	for (i = 0; i < BLOCKS; i++) {
		free(plugin.allocate());
		block = malloc(4321);
		plugin.free(block);
		plugin.free(plugin.allocate());
		block = malloc(4321);
		free(block);
	}
}

int main(int argc, char **argv)
{
	int i;

	if (argc > 2 && !strcmp(argv[1], "--deep")) {
		deep(argv[2]);
	} else {
		for (i = 1; i < argc; i++)
			in_turn(argv[i]);
	}
	say("plugins %d\n", argc - 1);
	return 0;
}
