#include "preface.h"

#include "executable.h"
#include "loaded.h"
#include "notepad.h"
#include "traces/stackbase.h"

#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Length of the arguments, which lie one behind the other, each ended by NUL. */
static size_t command_bytes(const char *const *arguments, size_t count)
{
	const char *end = arguments[0];

	for (size_t i = 0; i < count && arguments[i] == end; i++)
		end += strlen(end) + 1;
	return (size_t)(end - arguments[0]);
}

void preface_write(bool forked)
{
	const uintptr_t *words = stackbase_main();
	const char *const *arguments = (const char *const *)(words + 1);
	char program[PATH_MAX];
	struct note_image note = {.pid = getpid(), .parent_pid = getppid()};
	struct notepad_part parts[3] = {{&note, offsetof(struct note_image, text)}};

	if (!forked) {
		const char *executed = (const char *)getauxval(AT_EXECFN);

		parts[1].data = program;
		parts[1].bytes = executable_path("/proc/self", executed, program);
		note.program_bytes = (uint32_t)parts[1].bytes;
	}
	if (!forked && words[0]) {
		parts[2] = (struct notepad_part){arguments[0], command_bytes(arguments, words[0])};
		note.command_bytes = (uint32_t)parts[2].bytes;
	}
	if (!notepad_lock())
		return;
	notepad_write(NOTE_IMAGE, parts, 3);
	if (!forked) {
		executable_resolved("/proc/self", program);
		loaded_tell_all(program);
	}
	notepad_unlock();
}
