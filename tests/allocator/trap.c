#include "trap.h"

jmp_buf trap_point;
const char *trap_text;

_Noreturn void __wrap_notice_fatal(const char *what, const void *ptr);

_Noreturn void __wrap_notice_fatal(const char *what, const void *ptr)
{
	(void)ptr;
	trap_text = what;
	longjmp(trap_point, 1);
}
