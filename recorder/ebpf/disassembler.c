#include "disassembler.h"

#include <dlfcn.h>

#define TEXT_OF(number) #number
#define TEXT(macro)     TEXT_OF(macro)
#define LIBRARY         "libcapstone.so." TEXT(CS_API_MAJOR) /* whose header this was compiled with */

struct disassembler disassembler;

bool disassembler_load(void)
{
	struct disassembler found;
	void *library;

	if (disassembler.open)
		return true;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
#define FIND(name)                                                                                 \
	found.name = (__typeof__(cs_##name) *)dlsym(library, "cs_" #name);                         \
	if (!found.name)                                                                           \
		return false;
	DISASSEMBLER_FUNCTIONS(FIND)
#undef FIND
	disassembler = found;
	return true;
}
