/* Tells hakrec in notes which modules are loaded. All to be called with the notepad locked. */
#ifndef RECORDER_LOADED_H
#define RECORDER_LOADED_H

#include <stdbool.h>
#include <stdint.h>

/* All modules. program: path of the executable. Takes the loader's lock. */
void loaded_tell_all(const char *program);

/* The module of an address, if it was not told. Async-signal-safe. */
void loaded_tell(uintptr_t addr);

/* Tells which modules are gone. True: at least one is. */
bool loaded_tell_gone(void);

#endif
